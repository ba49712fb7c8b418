using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore.Tests.Client;

public class TopicClientTests
{
    private static readonly TopicClientOptions Quick = QuickTopics.Options;

    public static TheoryData<FeedWays> EachWay => QuickTopics.EachWay;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(EachWay))]
    public async Task By_each_way_a_topic_is_read_from_a_place_on_and_published_to(FeedWays way)
    {
        await using TestHost host = await QuickTopics.StartAsync();
        host.Topics.Publish("room/a b", "old");
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way });
        await using TopicReader reader = TopicReader.Of(client, "room/a b", TopicClient.Oldest);
        Assert.Equal("old", (await reader.ItemAsync()).Text);

        string text = await client.PublishAsync("room/a b", "täxt\n\"", Token).WaitAsync(TestHost.Patience, Token);
        string json = await client.PublishAsync("room/a b", 15, (JsonTypeInfo<int>)JsonSerializerOptions.Default.GetTypeInfo(typeof(int)), Token).WaitAsync(TestHost.Patience, Token);
        string binary = await client.PublishAsync("room/a b", new byte[] { 0, 255 }, Token).WaitAsync(TestHost.Patience, Token);
        TopicItem[] items = [await reader.ItemAsync(), await reader.ItemAsync(), await reader.ItemAsync()];
        Assert.Equal([text, json, binary], items.Select(item => item.Cursor));
        Assert.Equal(["täxt\n\"", "15"], items.Take(2).Select(item => item.Text));
        Assert.Equal([0, 255], items[2].Data.ToArray());
        Assert.Equal([(MessageType.Text, false), (MessageType.Text, true), (MessageType.Binary, false)], items.Select(item => (item.Type, item.IsJson)));
        Assert.Equal((way, ClientState.Open), (client.Way, client.State));

        // From a cursor on, in another client; and a client that ends its subscription may begin it anew.
        await using TopicClient other = QuickTopics.Open(host, Quick with { Ways = way });
        await using (TopicReader second = TopicReader.Of(other, "room/a b", text))
        {
            Assert.Equal("15", (await second.ItemAsync()).Text);
        }

        await using TopicReader third = TopicReader.Of(other, "room/a b", json);
        Assert.Equal(binary, (await third.ItemAsync()).Cursor);
    }

    [Fact]
    public async Task A_client_of_a_URL_without_topics_says_which_URL_it_wants()
    {
        await using TestHost host = await QuickTopics.StartAsync();
        await using var client = new TopicClient(new Uri(host.Url, "/nothing"), Quick);
        TopicException e = await Assert.ThrowsAsync<TopicException>(() => client.PublishAsync("news", "lost", Token).WaitAsync(TestHost.Patience, Token));
        Assert.Contains("The server answered 404. The URI of the client is that of MapTopics, without a topic's name.", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(EachWay))]
    public async Task By_each_way_one_begins_now_and_what_is_gone_is_told(FeedWays way)
    {
        await using TestHost host = await QuickTopics.StartAsync(options =>
        {
            options.TopicHistory = new TopicHistory { MaxCount = 2 };
            options.TopicHistories["ticks"] = new TopicHistory { MaxCount = int.MaxValue, MaxBytes = int.MaxValue };
        });
        TopicPosition first = await host.Topics.PublishAsync("news", "1", Token);
        for (int i = 2; i <= 5; i++)
        {
            host.Topics.Publish("news", $"{i}");
        }

        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way });
        await using TopicReader late = TopicReader.Of(client, "news", first.ToString());
        TopicReset reset = Assert.IsType<TopicReset>(await late.NextAsync());
        Assert.Equal(2, reset.Lost);
        Assert.Equal(["4", "5"], [(await late.ItemAsync()).Text, (await late.ItemAsync()).Text]);

        // Another topic of the same client, which begins now: what it is given first was published after it began.
        using var publishing = CancellationTokenSource.CreateLinkedTokenSource(Token);
        host.Topics.Publish("ticks", "before");
        Task ticking = TickAsync(host.Topics, publishing.Token);
        await using TopicReader now = TopicReader.Of(client, "ticks", TopicClient.Now);
        int number = int.Parse((await now.ItemAsync()).Text, null);
        Assert.Equal(number + 1, int.Parse((await now.ItemAsync()).Text, null));
        await publishing.CancelAsync();
        await ticking;
    }

    [Theory]
    [MemberData(nameof(EachWay))]
    public async Task By_each_way_a_refusal_ends_what_is_refused_alone(FeedWays way)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapTopics("/topics/{**name}").WithOptions(endpoint =>
        {
            endpoint.AllowPublishing = true;
            endpoint.AuthorizeSubscribe = access => access.Topic != "secret";
            endpoint.AuthorizePublish = access => access.Topic != "secret";
        }));
        host.Topics.Publish("open", "1");
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way });
        await using TopicReader open = TopicReader.Of(client, "open", TopicClient.Oldest);
        await using TopicReader secret = TopicReader.Of(client, "secret", TopicClient.Oldest);
        await using TopicReader wrong = TopicReader.Of(client, "open/x", "no cursor");
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<TopicException>(secret.NextAsync)).Code);
        Assert.Contains((await Assert.ThrowsAsync<TopicException>(wrong.NextAsync)).Code, (string[])["bad_cursor", "bad_request"]);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<TopicException>(() => client.PublishAsync("secret", "x", Token).WaitAsync(TestHost.Patience, Token))).Code);
        await client.PublishAsync("open", "2", Token).WaitAsync(TestHost.Patience, Token);
        Assert.Equal(["1", "2"], [(await open.ItemAsync()).Text, (await open.ItemAsync()).Text]);
    }

    [Fact]
    public async Task A_subscription_over_the_servers_limit_is_refused_with_the_limits_name()
    {
        await using TestHost host = await QuickTopics.StartAsync(options => options.MaxTopicsPerConnection = 1);
        host.Topics.Publish("one", "1");
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.WebSocket });
        await using TopicReader one = TopicReader.Of(client, "one", TopicClient.Oldest);
        await one.ItemAsync();
        await using TopicReader two = TopicReader.Of(client, "two", TopicClient.Oldest);
        TopicException refused = await Assert.ThrowsAsync<TopicException>(two.NextAsync);
        Assert.Equal(("limit", "max_topics_per_connection"), (refused.Code, refused.Limit));
    }

    [Fact]
    public async Task Where_no_WebSocket_gets_through_another_way_is_used_and_a_WebSocket_as_soon_as_it_does()
    {
        bool isStripped = true;
        await using TestHost host = await QuickTopics.StartAsync(_ => { }, app => app.Use(next => context =>
        {
            if (Volatile.Read(ref isStripped))
            {
                // As a proxy does that knows no upgrades.
                context.Request.Headers.Remove("Upgrade");
                context.Request.Headers.Remove("Connection");
            }

            return next(context);
        }));
        await using TopicClient client = QuickTopics.Open(host, Quick with { UpgradeInterval = TimeSpan.FromMilliseconds(50) });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        host.Topics.Publish("news", "1");
        Assert.Equal("1", (await reader.ItemAsync()).Text);
        Assert.Equal(FeedWays.ServerSentEvents, client.Way);

        Volatile.Write(ref isStripped, false);
        await Eventually.True(() => client.Way == FeedWays.WebSocket);
        await client.PublishAsync("news", "2", Token).WaitAsync(TestHost.Patience, Token);
        Assert.Equal("2", (await reader.ItemAsync()).Text);
    }

    [Fact]
    public async Task Where_WebSockets_open_and_carry_nothing_another_way_is_used_and_kept()
    {
        int opened = 0;
        await using TestHost host = await QuickTopics.StartAsync(_ => { }, app => app.UseWebSockets().Use(next => async context =>
        {
            if (!context.WebSockets.IsWebSocketRequest)
            {
                await next(context);
                return;
            }

            // As a proxy does that lets the upgrade through, and no frame.
            using System.Net.WebSockets.WebSocket mute = await context.WebSockets.AcceptWebSocketAsync("duologue.topics.v1");
            Interlocked.Increment(ref opened);
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }));
        int told = 0;
        using var hook = new LogHook(entry => entry.StartsWith("The WebSocket of", StringComparison.Ordinal), () => Interlocked.Increment(ref told));
        using var loggers = new LoggerFactory([hook], new LoggerFilterOptions { MinLevel = LogLevel.Debug });
        ConnectOptions connect = Quick.Connect with { KeepAliveInterval = TimeSpan.FromMilliseconds(50), KeepAliveTimeout = TimeSpan.FromMilliseconds(50), LoggerFactory = loggers };
        await using TopicClient client = QuickTopics.Open(host, Quick with { UpgradeInterval = TimeSpan.FromMilliseconds(20), Connect = connect });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        host.Topics.Publish("news", "1");
        Assert.Equal("1", (await reader.ItemAsync()).Text);

        // Two more were tried beside it, and the second is tried when the first has been given up.
        int before = Volatile.Read(ref opened);
        await Eventually.True(() => Volatile.Read(ref opened) >= before + 2 && Volatile.Read(ref told) >= 2);
        host.Topics.Publish("news", "2");
        Assert.Equal("2", (await reader.ItemAsync()).Text);
        Assert.NotEqual(FeedWays.WebSocket, client.Way);
    }

    [Fact]
    public async Task Where_WebSockets_open_and_are_cut_before_anything_has_come_another_way_was_never_tried()
    {
        await using TestHost host = await QuickTopics.StartAsync(_ => { }, app => app.UseWebSockets().Use(next => async context =>
        {
            if (!context.WebSockets.IsWebSocketRequest)
            {
                await next(context);
                return;
            }

            // As where frames get through to one side only: that side takes the other for dead before the other does.
            using System.Net.WebSockets.WebSocket cut = await context.WebSockets.AcceptWebSocketAsync("duologue.topics.v1");
            await cut.ReceiveAsync(new byte[1024], context.RequestAborted);
            context.Abort();
        }));
        await using TopicClient client = QuickTopics.Open(host, Quick);
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        host.Topics.Publish("news", "1");
        Assert.Equal("1", (await reader.ItemAsync()).Text);
        Assert.Equal(FeedWays.ServerSentEvents, client.Way);
    }

    [Fact]
    public async Task Where_neither_WebSockets_nor_streams_get_through_it_polls()
    {
        await using TestHost host = await QuickTopics.StartAsync(_ => { }, app => app.Use(next => context =>
        {
            context.Request.Headers.Remove("Upgrade");
            if (context.Request.Headers.Accept == "text/event-stream")
            {
                // As a proxy that waits for the end of an answer before it sends any of it on, and gives up.
                context.Response.StatusCode = StatusCodes.Status504GatewayTimeout;
                return Task.CompletedTask;
            }

            return next(context);
        }));
        host.Topics.Publish("news", "1");
        await using TopicClient client = QuickTopics.Open(host, Quick);
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        Assert.Equal("1", (await reader.ItemAsync()).Text);
        await client.PublishAsync("news", "2", Token).WaitAsync(TestHost.Patience, Token);
        Assert.Equal("2", (await reader.ItemAsync()).Text);
        Assert.Equal(FeedWays.LongPolling, client.Way);
    }

    [Fact]
    public async Task What_was_published_while_the_first_long_poll_was_cut_was_lost_without_a_word()
    {
        await using TestHost host = await StartCuttingAsync(new TopicHistory(), topics => topics.Publish("news", "1"));
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.LongPolling });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Now);
        Assert.Equal("1", (await reader.ItemAsync()).Text);
    }

    [Fact]
    public async Task What_a_short_history_lost_while_the_first_long_poll_was_cut_was_not_told()
    {
        await using TestHost host = await StartCuttingAsync(new TopicHistory { MaxCount = 2 }, topics =>
        {
            for (int i = 1; i <= 5; i++)
            {
                topics.Publish("news", $"{i}");
            }
        });
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = FeedWays.LongPolling });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        Assert.IsType<TopicReset>(await reader.NextAsync());
        Assert.Equal(["4", "5"], [(await reader.ItemAsync()).Text, (await reader.ItemAsync()).Text]);
    }

    [Fact]
    public async Task A_change_of_way_that_the_application_asks_for_loses_and_doubles_nothing()
    {
        await using TestHost host = await QuickTopics.StartAsync();

        // A topic that was only asked for is forgotten with its request, and its next life has another epoch: a reset with nothing lost.
        host.Topics.Publish("news", "0");
        await using TopicClient client = QuickTopics.Open(host, Quick);
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        Assert.Equal("0", (await reader.ItemAsync()).Text);
        int number = 1;
        foreach (FeedWays way in (FeedWays[])[FeedWays.Polling, FeedWays.WebSocket, FeedWays.LongPolling, FeedWays.ServerSentEvents, FeedWays.WebSocket])
        {
            Task<string> before = client.PublishAsync("news", $"{number}", Token);
            client.UseWays(way);
            Task<string> behind = client.PublishAsync("news", $"{number + 1}", Token);
            Assert.Equal([$"{number}", $"{number + 1}"], [(await reader.ItemAsync()).Text, (await reader.ItemAsync()).Text]);
            await Task.WhenAll(before, behind).WaitAsync(TestHost.Patience, Token);
            await Eventually.True(() => client.Way == way);
            number += 2;
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => client.UseWays(FeedWays.None));
        Assert.Equal(number, (await host.Topics.ReadAsync("news", TopicStart.Oldest, 100, Token)).Messages.Count);
    }

    [Theory]
    [InlineData(FeedWays.WebSocket)]
    [InlineData(FeedWays.LongPolling)]
    public async Task A_publish_whose_answer_is_cut_off_is_in_the_topic_once(FeedWays way)
    {
        await using TestHost host = await QuickTopics.StartAsync();
        await using var proxy = new Relay(host.Url.Port) { CutsFirstAnswers = way == FeedWays.WebSocket ? 2 : 1 };
        await using var client = new TopicClient(new Uri(proxy.Url, "/topics"), Quick with { Ways = way });
        string cursor = await client.PublishAsync("news", "once", Token).WaitAsync(TestHost.Patience, Token);
        TopicPage page = await host.Topics.ReadAsync("news", TopicStart.Oldest, 100, Token);
        Assert.Equal(cursor, Assert.Single(page.Messages).Position.ToString());
        Assert.Equal(1, proxy.Cuts);
    }

    [Theory]
    [InlineData(FeedWays.WebSocket)]
    [InlineData(FeedWays.ServerSentEvents)]
    public async Task Those_whom_a_server_sends_away_as_it_stops_come_back_spread(FeedWays way)
    {
        await using TestHost host = await QuickTopics.StartAsync();
        host.Topics.Publish("news", "old");

        // An hour's part is not taken for that of a millisecond, by any dice.
        await using TopicClient client = QuickTopics.Open(host, Quick with { Ways = way, Spread = TimeSpan.FromHours(1) });
        var waits = new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
        client.StateChanged += (_, e) =>
        {
            if (e.State == ClientState.Waiting)
            {
                waits.TrySetResult(e.Delay);
            }
        };
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        await reader.ItemAsync();

        // What an event stream begins behind has come by a poll before it: this comes by the stream.
        host.Topics.Publish("news", "new");
        await reader.ItemAsync();
        await host.StopAsync();
        Assert.True(await waits.Task.WaitAsync(TestHost.Patience, Token) > TimeSpan.FromMilliseconds(20));
    }

    [Fact]
    public async Task Who_is_refused_altogether_does_not_ask_for_ever()
    {
        int asked = 0;
        await using TestHost host = await TestHost.StartAsync(app => app.MapGet("/topics/{**name}", context =>
        {
            Interlocked.Increment(ref asked);
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return Task.CompletedTask;
        }));
        await using TopicClient client = QuickTopics.Open(host, Quick with { MaxRefusals = 2 });
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        TopicException end = await Assert.ThrowsAsync<TopicException>(reader.NextAsync);
        Assert.Equal(("ended", ClientState.Ended), (end.Code, client.State));
        Assert.Equal("ended", (await Assert.ThrowsAsync<TopicException>(() => client.PublishAsync("news", "x", Token))).Code);
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task Whom_the_server_sent_away_for_good_was_told_neither_that_nor_how()
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.UseWebSockets();
            app.Run(async context =>
            {
                using System.Net.WebSockets.WebSocket socket = await context.WebSockets.AcceptWebSocketAsync("duologue.topics.v1");
                await socket.CloseAsync((System.Net.WebSockets.WebSocketCloseStatus)4401, "sign in", context.RequestAborted);
            });
        });
        var ended = new TaskCompletionSource<ClientStateEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TopicClient client = QuickTopics.Open(host, Quick);
        client.StateChanged += (_, e) =>
        {
            if (e.State == ClientState.Ended)
            {
                ended.TrySetResult(e);
            }
        };
        Task<string> publish = client.PublishAsync("news", "x", Token);
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);

        TopicException[] told = [await Assert.ThrowsAsync<TopicException>(reader.NextAsync), await Assert.ThrowsAsync<TopicException>(() => publish.WaitAsync(TestHost.Patience, Token))];

        Assert.All(told, end => Assert.Equal(("ended", (ushort)4401), (end.Code, Assert.IsType<ConnectionClosedException>(end.InnerException).CloseInfo.Code)));
        Assert.All(told, end => Assert.Contains("sign in", end.Message, StringComparison.Ordinal));
        ClientStateEventArgs end = await ended.Task.WaitAsync(TestHost.Patience, Token);
        Assert.Equal((4401, null), (end.Close?.Code, end.Failure));
    }

    [Fact]
    public async Task Each_request_has_the_headers_of_the_moment()
    {
        var tokens = new ConcurrentQueue<string>();
        await using TestHost host = await QuickTopics.StartAsync(_ => { }, app => app.Use(next => context =>
        {
            tokens.Enqueue(context.Request.Headers.Authorization.ToString());
            return next(context);
        }));
        int number = 0;
        await using TopicClient client = QuickTopics.Open(host, Quick with
        {
            Ways = FeedWays.LongPolling,
            BeforeConnect = (options, _) => new(options with { Headers = [new("Authorization", $"Bearer {Interlocked.Increment(ref number)}")] }),
        });
        await client.PublishAsync("news", "1", Token).WaitAsync(TestHost.Patience, Token);
        await client.PublishAsync("news", "2", Token).WaitAsync(TestHost.Patience, Token);
        Assert.Equal(["Bearer 1", "Bearer 2"], tokens);
    }

    [Fact]
    public async Task A_client_that_is_disposed_ends_its_subscriptions_and_fails_what_is_not_confirmed()
    {
        await using TestHost host = await QuickTopics.StartAsync();
        TopicClient client = QuickTopics.Open(host, Quick);
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        await client.PublishAsync("news", "1", Token).WaitAsync(TestHost.Patience, Token);
        await reader.ItemAsync();
        ValueTask<bool> more = reader.MoveAsync();
        await client.DisposeAsync().AsTask().WaitAsync(TestHost.Patience, Token);
        Assert.False(await more.AsTask().WaitAsync(TestHost.Patience, Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.PublishAsync("news", "2", Token));

        var away = new TopicClient(new Uri("http://127.0.0.1:1/topics"), Quick);
        Task<string> unsent = away.PublishAsync("news", "3", Token);
        using var giveUp = new CancellationTokenSource();
        Task<string> cancelled = away.PublishAsync("news", "4", giveUp.Token);
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.WaitAsync(TestHost.Patience, Token));
        await away.DisposeAsync().AsTask().WaitAsync(TestHost.Patience, Token);
        Assert.Equal("ended", (await Assert.ThrowsAsync<TopicException>(() => unsent.WaitAsync(TestHost.Patience, Token))).Code);
    }

    [Fact]
    public async Task A_WebSocket_that_opened_beside_requests_just_as_the_client_was_disposed_is_closed()
    {
        bool isStripped = true;
        await using TestHost host = await QuickTopics.StartAsync(_ => { }, app => app.Use(next => context =>
        {
            if (Volatile.Read(ref isStripped))
            {
                context.Request.Headers.Remove("Upgrade");
            }

            return next(context);
        }));
        host.Topics.Publish("news", "1");
        TopicClient? client = null;
        var disposing = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);

        // It says so between the opening and the first use.
        using var hook = new LogHook(entry => entry.Contains("a WebSocket gets through", StringComparison.Ordinal), () => disposing.TrySetResult(client!.DisposeAsync().AsTask()));
        using var loggers = new LoggerFactory([hook]);
        await using (client = QuickTopics.Open(host, Quick with { UpgradeInterval = TimeSpan.FromMilliseconds(20), Connect = Quick.Connect with { LoggerFactory = loggers } }))
        {
            await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
            await reader.ItemAsync();
            Volatile.Write(ref isStripped, false);
            Task disposed = await disposing.Task.WaitAsync(TestHost.Patience, Token);
            await disposed.WaitAsync(TestHost.Patience, Token);
        }

        await Eventually.True(() => host.Connections.Count == 0);
    }

    [Fact]
    public async Task Whoever_is_told_that_a_subscription_has_ended_finds_the_client_ended()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapGet("/topics/{**name}", context =>
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return Task.CompletedTask;
        }));

        // The last that the client logs, and in between there is time for whoever waits.
        TopicClient? client = null;
        var told = new TaskCompletionSource<ClientState>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var hook = new LogHook(entry => entry.Contains("the client gives up", StringComparison.Ordinal), () => told.Task.Wait(TestHost.Patience, CancellationToken.None));
        using var loggers = new LoggerFactory([hook]);
        await using (client = QuickTopics.Open(host, Quick with { MaxRefusals = 1, Connect = Quick.Connect with { LoggerFactory = loggers } }))
        {
            await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
            Assert.Equal("ended", (await Assert.ThrowsAsync<TopicException>(reader.NextAsync)).Code);
            told.SetResult(client.State);
        }

        Assert.Equal(ClientState.Ended, await told.Task);
    }

    [Fact]
    public async Task A_topic_has_one_subscription_at_a_time_and_options_are_checked()
    {
        await using TestHost host = await QuickTopics.StartAsync();
        host.Topics.Publish("news", "1");
        await using TopicClient client = QuickTopics.Open(host, Quick);
        await using TopicReader reader = TopicReader.Of(client, "news", TopicClient.Oldest);
        await reader.ItemAsync();
        await using TopicReader second = TopicReader.Of(client, "news", TopicClient.Oldest);
        await Assert.ThrowsAsync<InvalidOperationException>(second.NextAsync);
        Assert.Throws<ArgumentOutOfRangeException>(() => new TopicClient(host.Url, Quick with { Ways = FeedWays.None }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new TopicClient(host.Url, Quick with { PollWait = TimeSpan.FromMinutes(2) }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new TopicClient(host.Url, Quick with { MaxUnread = 0 }));
    }

    /// <summary>A server that cuts the first request that it is to hold, when something has happened meanwhile.</summary>
    private static async Task<TestHost> StartCuttingAsync(TopicHistory history, Action<Topics> meanwhile)
    {
        int held = 0;
        return await QuickTopics.StartAsync(options => options.TopicHistory = history, app => app.Use(next => context =>
        {
            if (!context.Request.Query.ContainsKey("wait") || Interlocked.Exchange(ref held, 1) != 0)
            {
                return next(context);
            }

            meanwhile(app.Services.GetRequiredService<Topics>());
            context.Abort();
            return Task.CompletedTask;
        }));
    }

    private static async Task TickAsync(Topics topics, CancellationToken stop)
    {
        for (int i = 0; !stop.IsCancellationRequested; i++)
        {
            topics.Publish("ticks", $"{i}");
            await Task.Delay(5, CancellationToken.None);
        }
    }

    /// <summary>Does something as an entry is logged.</summary>
    private sealed class LogHook(Func<string, bool> isMeant, Action act) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (isMeant(formatter(state, exception)))
            {
                act();
            }
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void Dispose()
        {
        }
    }
}
