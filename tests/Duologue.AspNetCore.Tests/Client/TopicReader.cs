using Duologue.AspNetCore.Tests.Support;

namespace Duologue.AspNetCore.Tests.Client;

/// <summary>Reads one thing after the other of a subscription, with a patience.</summary>
internal sealed class TopicReader(IAsyncEnumerator<TopicNews> news, CancellationTokenSource stop) : IAsyncDisposable
{
    public static TopicReader Of(TopicClient client, string topic, string after)
    {
        var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        return new TopicReader(client.SubscribeAsync(topic, after, stop.Token).GetAsyncEnumerator(stop.Token), stop);
    }

    public ValueTask<bool> MoveAsync() => news.MoveNextAsync();

    public async Task<TopicNews> NextAsync()
    {
        Assert.True(await news.MoveNextAsync().AsTask().WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken), "The subscription has ended.");
        return news.Current;
    }

    public async Task<TopicItem> ItemAsync() => Assert.IsType<TopicItem>(await NextAsync());

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        try
        {
            await news.DisposeAsync();
        }
        catch (NotSupportedException)
        {
            // A test has failed while it waited; that is what it is to tell.
        }

        stop.Dispose();
    }
}
