using Duologue.Tests.Peer;

namespace Duologue.Tests.Client.Topics;

public class TopicClientTests
{
    [Fact]
    public async Task What_BeforeConnect_threw_was_taken_for_an_option_that_cannot_be_used()
    {
        int attempts = 0;
        await using var client = new TopicClient(new Uri("http://127.0.0.1:1/topics"), new TopicClientOptions
        {
            Ways = FeedWays.WebSocket,
            InitialDelay = TimeSpan.FromMilliseconds(1),
            BeforeConnect = (_, _) =>
            {
                Interlocked.Increment(ref attempts);
                throw new ArgumentException("No token.");
            },
        });
        Task<string> publish = client.PublishAsync("news", "1", TestContext.Current.CancellationToken);

        await Waiting.Until(() => Volatile.Read(ref attempts) >= 3 || publish.IsCompleted);

        Assert.False(publish.IsCompleted);
    }
}
