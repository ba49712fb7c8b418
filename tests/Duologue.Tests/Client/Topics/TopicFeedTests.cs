using Duologue.Client;

namespace Duologue.Tests.Client.Topics;

public class TopicFeedTests
{
    private static readonly ClientReport Report = new(new Uri("ws://example.com/"), new ReconnectOptions());

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_still_came_for_a_pattern_that_was_refused_ended_the_whole_client()
    {
        // Another pattern of the client's has the same topic, so that news of it is found to be for both.
        var feed = new TopicFeed("room/*", TopicClient.Now, 10, Report) { IsPattern = true };
        var refusal = new TopicException("forbidden", "No.", null);
        feed.End(refusal);

        await feed.AcceptLiveAsync(FeedMessage.Parse("""{"type":"items","topic":"room/1","items":[{"id":"a","time":1,"data":"x"}],"next":"a"}"""u8, null), Token);

        Assert.False(await feed.News.WaitToReadAsync(Token));
        Assert.Same(refusal, feed.Failure);
    }

    [Fact]
    public async Task What_was_lost_behind_a_reset_before_anything_else_came_was_not_told()
    {
        // Cut right behind the notice, it asks from the same place again, and the history has grown shorter by then.
        var feed = new TopicFeed("news", "a-1", 10, Report);
        foreach (long? lost in (long?[])[5, 5, 8, null, 9])
        {
            await feed.AcceptResetAsync(lost, Token);
        }

        feed.End(null);
        List<long?> told = [];
        await foreach (TopicNews news in feed.News.ReadAllAsync(Token))
        {
            told.Add(Assert.IsType<TopicReset>(news).Lost);
        }

        Assert.Equal([5, 3, null], told);
    }

    [Fact]
    public async Task What_came_before_the_end_is_read_before_it()
    {
        var feed = new TopicFeed("news", TopicClient.Oldest, 10, Report);
        await feed.AcceptAsync(FeedMessage.Parse("""{"items":[{"id":"a","time":1,"data":"x"}],"next":"a"}"""u8, "news"), Token);
        feed.End(new TopicException("limit", "Too many.", null));
        feed.End(null);

        Assert.Equal("x", Assert.IsType<TopicItem>(await feed.News.ReadAsync(Token)).Text);
        Assert.False(await feed.News.WaitToReadAsync(Token));
        Assert.Equal("limit", Assert.IsType<TopicException>(feed.Failure).Code);
        Assert.Equal("a", feed.After);
    }
}
