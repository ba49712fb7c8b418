using Duologue.AspNetCore.Tests.Support;

namespace Duologue.AspNetCore.Tests.Client;

/// <summary>What a <see cref="TopicClient"/> can have over a WebSocket only: many topics by a pattern, and who else is there.</summary>
public class WildcardsAndPresenceTests
{
    private static readonly TopicClientOptions Quick = QuickTopics.Options with { Ways = FeedWays.WebSocket };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pattern_brings_what_is_published_in_each_of_its_topics()
    {
        await using TestHost host = await QuickTopics.StartAsync();
        await using TopicClient client = QuickTopics.Open(host, Quick);
        await using var all = new Reading(client.SubscribePatternAsync("room/**", Token));
        await using var some = new Reading(client.SubscribePatternAsync("room/*/news", Token));
        await using var named = new Reading(client.SubscribeAsync("other", TopicClient.Oldest, Token));
        await Eventually.True(() => client.State == ClientState.Open);

        // A pattern begins when the server has it; until then nothing is promised.
        await ArrivesAsync(host, all, "room/1");
        await ArrivesAsync(host, some, "room/1/news");
        await client.PublishAsync("room/2", "not by the second", Token).WaitAsync(TestHost.Patience, Token);
        await client.PublishAsync("room/2/news", "by both", Token).WaitAsync(TestHost.Patience, Token);
        await client.PublishAsync("other", "by its name", Token).WaitAsync(TestHost.Patience, Token);

        Assert.Equal(("room/2", "not by the second"), await all.PastProbesAsync());
        Assert.Equal(("room/2/news", "by both"), await all.PastProbesAsync());
        Assert.Equal(("room/2/news", "by both"), await some.PastProbesAsync());
        Assert.Equal(("other", "by its name"), await named.PastProbesAsync());
    }

    [Fact]
    public async Task A_cut_is_told_where_a_pattern_has_no_position_to_go_on_from()
    {
        await using TestHost host = await QuickTopics.StartAsync();
        await using TopicClient client = QuickTopics.Open(host, Quick);
        await using var all = new Reading(client.SubscribePatternAsync("room/*", Token));
        await ArrivesAsync(host, all, "room/1");

        Cut(host);

        // Told before anything that comes behind it, and once.
        TopicNews news;
        do
        {
            news = await all.NextAsync();
        }
        while (news is TopicItem);
        TopicReset reset = Assert.IsType<TopicReset>(news);
        Assert.Equal(("room/*", TopicClient.Now, null), (reset.Topic, reset.Cursor, reset.Lost));
        await ArrivesAsync(host, all, "room/2");
    }

    [Fact]
    public async Task Who_is_there_and_who_comes_and_goes_is_told_and_anew_after_a_cut()
    {
        await using TestHost host = await QuickTopics.StartAsync();
        host.Topics.Publish("room/1", "old");
        await using TopicClient first = QuickTopics.Open(host, Quick);
        await using var watching = new Reading(first.SubscribeWithPresenceAsync("room/1", TopicClient.Oldest, Token));
        Assert.Equal("old", Assert.IsType<TopicItem>(await watching.NextAsync()).Text);
        TopicPeer self = Assert.Single((await watching.PresenceAsync(PresenceChange.Present)).Peers);

        TopicPeer other;
        await using (TopicClient second = QuickTopics.Open(host, Quick))
        {
            await using var reading = new Reading(second.SubscribeAsync("room/1", TopicClient.Oldest, Token));
            Assert.Equal("old", Assert.IsType<TopicItem>(await reading.NextAsync()).Text);
            other = Assert.Single((await watching.PresenceAsync(PresenceChange.Joined)).Peers);
            Assert.NotEqual(self.Id, other.Id);
        }

        Assert.Equal(other, Assert.Single((await watching.PresenceAsync(PresenceChange.Left)).Peers));

        Cut(host);

        // After a cut all who are there are told: this one, by another id.
        TopicPeer again = Assert.Single((await watching.PresenceAsync(PresenceChange.Present)).Peers);
        Assert.NotEqual(self.Id, again.Id);
        await first.PublishAsync("room/1", "new", Token).WaitAsync(TestHost.Patience, Token);
        Assert.Equal("new", Assert.IsType<TopicItem>(await watching.NextAsync()).Text);
    }

    [Theory]
    [InlineData(FeedWays.ServerSentEvents)]
    [InlineData(FeedWays.LongPolling)]
    [InlineData(FeedWays.Polling)]
    public async Task By_another_way_they_end_with_a_name_and_what_else_is_read_goes_on(FeedWays way)
    {
        await using TestHost host = await QuickTopics.StartAsync();
        host.Topics.Publish("news", "1");
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way, PollInterval = TimeSpan.FromMilliseconds(20) });
        await using var pattern = new Reading(client.SubscribePatternAsync("room/*", Token));
        await using var presence = new Reading(client.SubscribeWithPresenceAsync("hall", TopicClient.Oldest, Token));
        Assert.Equal("needs_websocket", (await Assert.ThrowsAsync<TopicException>(pattern.NextAsync)).Code);
        Assert.Equal("needs_websocket", (await Assert.ThrowsAsync<TopicException>(presence.NextAsync)).Code);
        await using var named = new Reading(client.SubscribeAsync("news", TopicClient.Oldest, Token));
        Assert.Equal("1", Assert.IsType<TopicItem>(await named.NextAsync()).Text);
    }

    [Fact]
    public async Task What_cannot_be_asked_for_is_refused()
    {
        await using TestHost host = await QuickTopics.StartAsync();
        await using TopicClient client = QuickTopics.Open(host, Quick);
        Assert.Throws<ArgumentException>(() => client.SubscribeAsync("room/*", Token));
        Assert.Throws<ArgumentException>(() => client.SubscribeWithPresenceAsync("**", TopicClient.Now, Token));
        Assert.Throws<ArgumentException>(() => client.SubscribePatternAsync("room/1", Token));

        // What is wrong with a pattern the server says.
        await using var wrong = new Reading(client.SubscribePatternAsync("**/room", Token));
        Assert.Equal("bad_topic", (await Assert.ThrowsAsync<TopicException>(wrong.NextAsync)).Code);

        await using var all = new Reading(client.SubscribePatternAsync("room/*", Token));
        await ArrivesAsync(host, all, "room/1");
        await using var one = new Reading(client.SubscribeAsync("room/1", TopicClient.Oldest, Token));
        await Assert.ThrowsAsync<InvalidOperationException>(one.NextAsync);
    }

    // Once: who comes back meanwhile would be among them, and be cut again.
    private static void Cut(TestHost host)
    {
        foreach (Connection connection in host.Connections.ToArray())
        {
            connection.Abort();
        }
    }

    // Publishes until the subscription has begun and brings it. What else of that comes is a probe, too.
    private static async Task ArrivesAsync(TestHost host, Reading reading, string topic)
    {
        Task<TopicNews> first = reading.NextAsync();
        while (!first.IsCompleted)
        {
            host.Topics.Publish(topic, Reading.Probe);
            await Task.WhenAny(first, Task.Delay(20, Token));
        }

        TopicNews news = await first;
        Assert.Equal((topic, Reading.Probe), (news.Topic, Assert.IsType<TopicItem>(news).Text));
    }

    /// <summary>Reads on its own, so that what it is about to read is asked for from the beginning.</summary>
    private sealed class Reading : IAsyncDisposable
    {
        public const string Probe = "probe";

        private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        private readonly System.Threading.Channels.Channel<TopicNews> _news = System.Threading.Channels.Channel.CreateUnbounded<TopicNews>();
        private readonly Task _reading;

        public Reading(IAsyncEnumerable<TopicNews> news) => _reading = ReadAsync(news);

        public async Task<TopicNews> NextAsync()
        {
            try
            {
                return await _news.Reader.ReadAsync(Token).AsTask().WaitAsync(TestHost.Patience, Token);
            }
            catch (System.Threading.Channels.ChannelClosedException end) when (end.InnerException is { } failure)
            {
                throw failure;
            }
        }

        public async Task<(string Topic, string Text)> PastProbesAsync()
        {
            while (true)
            {
                TopicItem item = Assert.IsType<TopicItem>(await NextAsync());
                if (item.Text != Probe)
                {
                    return (item.Topic, item.Text);
                }
            }
        }

        /// <summary>The next of a kind. One who is known already may be told once more, as this one itself.</summary>
        public async Task<TopicPresence> PresenceAsync(PresenceChange change)
        {
            while (true)
            {
                TopicPresence presence = Assert.IsType<TopicPresence>(await NextAsync());
                if (presence.Change == change)
                {
                    return presence;
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _reading;
            _stop.Dispose();
        }

        private async Task ReadAsync(IAsyncEnumerable<TopicNews> news)
        {
            try
            {
                await foreach (TopicNews one in news.WithCancellation(_stop.Token))
                {
                    _news.Writer.TryWrite(one);
                }

                _news.Writer.TryComplete();
            }
            catch (Exception e)
            {
                _news.Writer.TryComplete(e);
            }
        }
    }
}
