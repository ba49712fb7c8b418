using System.Text.Json;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Sessions;

/// <summary>The polled transport, rule by rule, in raw HTTP.</summary>
public class SessionPollingTests
{
    private static Task<TestHost> StartAsync() => StartAsync(_ => { });

    private static Task<TestHost> StartAsync(Action<DuologueOptions> options) =>
        TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"), options);

    [Fact]
    public async Task The_handshake_says_five_things()
    {
        await using TestHost host = await StartAsync(options => (options.KeepAliveInterval, options.KeepAliveTimeout) = (TimeSpan.FromMilliseconds(300_000), TimeSpan.FromMilliseconds(200)));
        await using SessionClient client = await SessionClient.OpenAsync(host);

        Assert.Equal(["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"], client.Handshake.EnumerateObject().Select(member => member.Name).Order());
        Assert.Equal((300_000, 200, 1_000_000), (client.Handshake.GetProperty("pingInterval").GetInt32(), client.Handshake.GetProperty("pingTimeout").GetInt32(), client.Handshake.GetProperty("maxPayload").GetInt32()));
        Assert.Equal("[\"websocket\"]", client.Handshake.GetProperty("upgrades").GetRawText());
    }

    [Theory]
    [InlineData("/engine.io")]
    [InlineData("/engine.io/")]
    public async Task The_path_may_end_in_a_slash(string path)
    {
        await using TestHost host = await StartAsync();
        await using var client = new SessionClient(host, path);

        await client.OpenAsync();
    }

    [Theory]
    [InlineData("GET", "EIO=4&transport=abc", 400, 0)]
    [InlineData("GET", "EIO=4", 400, 0)]
    [InlineData("GET", "EIO=4&transport=webtransport", 400, 0)]
    [InlineData("GET", "EIO=4&transport=polling&sid=nobody", 400, 1)]
    [InlineData("POST", "EIO=4&transport=polling&sid=__proto__", 400, 1)]
    [InlineData("GET", "EIO=4&transport=websocket&sid=nobody", 400, 1)]
    [InlineData("POST", "EIO=4&transport=polling", 400, 2)]
    [InlineData("PUT", "EIO=4&transport=polling&sid=", 400, 2)]
    [InlineData("GET", "EIO=4&transport=websocket", 400, 3)]
    [InlineData("GET", "transport=polling", 400, 5)]
    [InlineData("GET", "EIO=3&transport=polling", 400, 5)]
    [InlineData("GET", "EIO=abc&transport=polling", 400, 5)]
    [InlineData("GET", "EIO=4&EIO=5&transport=polling", 400, 5)]
    public async Task A_request_without_a_session_is_told_what_is_wrong(string method, string query, int status, int code)
    {
        await using TestHost host = await StartAsync();
        await using var client = new SessionClient(host);

        (int answered, string body) = await client.AskAsync(new HttpMethod(method), query);

        Assert.Equal(status, answered);
        using JsonDocument error = JsonDocument.Parse(body);
        Assert.Equal(code, error.RootElement.GetProperty("code").GetInt32());
        Assert.Empty(host.Connections);
    }

    [Theory]
    [InlineData("PUT", "", 405)]
    [InlineData("DELETE", "", 405)]
    [InlineData("GET", "&transport=websocket", 400)]
    [InlineData("GET", "&EIO=3", 400)]
    [InlineData("GET", "&wait=soon", 400)]
    [InlineData("GET", "&transport=abc", 400)]
    public async Task A_wrong_request_disturbs_no_session(string method, string more, int status)
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);

        Assert.Equal(status, (await client.AskAsync(new HttpMethod(method), client.Query + more)).Status);

        Assert.Equal((200, "ok"), await client.PostAsync("4hello"));
        Assert.Equal((200, "4hello"), await client.GetAsync());
    }

    [Fact]
    public async Task What_waits_comes_back_in_one_body_and_in_order()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);

        Assert.Equal((200, "ok"), await client.PostAsync("4one\u001e4\u001ebAQIDBA==\u001e4€ and 🍵"));
        Assert.Equal((200, "ok"), await client.PostAsync("4last"));

        Assert.Equal((200, "4one\u001e4\u001ebAQIDBA==\u001e4€ and 🍵\u001e4last"), await client.GetAsync());
    }

    [Theory]
    [InlineData("b+/8=", "b+/8=")]
    [InlineData("b-_8", "b+/8=")]
    [InlineData("bAQIDBA", "bAQIDBA==")]
    [InlineData("b", "b")]
    public async Task Binary_is_taken_in_both_alphabets_with_padding_or_without(string sent, string echoed)
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);

        Assert.Equal((200, "ok"), await client.PostAsync(sent));

        Assert.Equal((200, echoed), await client.GetAsync());
    }

    [Fact]
    public async Task A_text_with_the_separator_in_it_leaves_as_binary()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);

        host.Connections.Single().Send("a\u001eb");

        Assert.Equal((200, "b" + Convert.ToBase64String("a\u001eb"u8)), await client.GetAsync());
    }

    [Fact]
    public async Task A_held_poll_is_answered_by_the_next_message_and_says_long_polling()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Task<(int, string)> held = client.GetAsync();

        Assert.Equal((200, "ok"), await client.PostAsync("4news"));

        Assert.Equal((200, "4news"), await held);
        Assert.Equal(Transport.LongPolling, host.Connections.Single().Transport);
    }

    [Fact]
    public async Task A_poll_that_does_not_wait_is_answered_at_once_and_says_polling()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);

        Assert.Equal((200, "6"), await client.GetAsync("wait=0"));
        Assert.Equal(Transport.Polling, host.Connections.Single().Transport);
        await client.PostAsync("4x");
        Assert.Equal((200, "4x"), await client.GetAsync("wait=0"));
    }

    [Fact]
    public async Task A_poll_that_waits_so_long_ends_with_nothing()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);

        Assert.Equal((200, "6"), await client.GetAsync("wait=0.2"));
        Task<(int, string)> held = client.GetAsync("wait=50");
        await client.PostAsync("4x");

        Assert.Equal((200, "4x"), await held);
    }

    [Fact]
    public async Task The_server_pings_and_a_pong_makes_the_next_ping()
    {
        var time = new FakeTimeProvider();
        await using TestHost host = await StartWithAsync(time);
        await using SessionClient client = await SessionClient.OpenAsync(host);

        for (int round = 0; round < 3; round++)
        {
            // The ping is due, and the time for the pong is not over, whenever the poll comes.
            Task<(int Status, string Body)> held = client.GetAsync();
            time.Advance(TimeSpan.FromMilliseconds(400));
            Assert.Equal((200, "2"), await held);
            Assert.Equal((200, "ok"), await client.PostAsync("3"));
        }

        Assert.NotNull(host.Connections.Single().Latency);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_session_without_a_pong_ends_by_the_clock_whether_it_is_polled_or_not(bool polled)
    {
        var time = new FakeTimeProvider();
        await using TestHost host = await StartWithAsync(time);
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        time.Advance(TimeSpan.FromMilliseconds(300));
        if (polled)
        {
            Assert.Equal((200, "2"), await client.GetAsync());
        }

        time.Advance(TimeSpan.FromMilliseconds(199));
        Assert.Equal(200, (await client.GetAsync("wait=0")).Status);
        time.Advance(TimeSpan.FromMilliseconds(1));

        // A request may come between the verdict of the clock and the end of the session: it is told of the close.
        (int Status, string Body) told = await client.GetAsync();
        Assert.True(told is (400, _) or (200, "1"), $"{told}");
        Assert.Equal(CloseCause.KeepAliveTimeout, (await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken)).Cause);
        Assert.Equal(400, (await client.GetAsync()).Status);
    }

    [Fact]
    public async Task A_held_poll_is_closed_when_the_pong_does_not_come()
    {
        var time = new FakeTimeProvider();
        await using TestHost host = await StartWithAsync(time);
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        time.Advance(TimeSpan.FromMilliseconds(300));

        // This one may wait: the ping is due, but whoever looked at the clock first may not have sent it yet.
        Assert.Equal((200, "2"), await client.GetAsync());
        Assert.Equal((200, "6"), await client.GetAsync("wait=0"));
        Assert.Equal(Transport.Polling, connection.Transport);
        Task<(int, string)> held = client.GetAsync();

        // So the server holds it.
        await Eventually.True(() => connection.Transport == Transport.LongPolling);
        time.Advance(TimeSpan.FromMilliseconds(400));

        (int status, string body) = await held;
        Assert.Equal((200, "1"), (status, body));
    }

    [Fact]
    public async Task Two_polls_at_a_time_close_the_session()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        Task<(int Status, string Body)> one = client.GetAsync();
        Task<(int Status, string Body)> two = client.GetAsync();

        (int Status, string Body)[] answers = await Task.WhenAll(one, two);

        Assert.Equal([(200, "1"), (400, "")], answers.Order());
        Assert.Equal(400, (await client.GetAsync()).Status);
        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal((CloseCause.ProtocolViolation, ProtocolViolation.OverlappingRequests), (info.Cause, info.Violation!.Value));
    }

    [Fact]
    public async Task A_poll_that_the_client_drops_closes_the_session()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        Assert.Equal((200, "6"), await client.GetAsync("wait=0"));
        using (await RawPoll.SendAsync(host, $"GET /engine.io/?{client.Query} HTTP/1.1\r\nHost: a\r\n\r\n"))
        {
            // So the server has it.
            await Eventually.True(() => connection.Transport == Transport.LongPolling);
        }

        Assert.Equal(CloseCause.ConnectionLost, (await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken)).Cause);
        Assert.Equal(400, (await client.GetAsync()).Status);
    }

    [Fact]
    public async Task What_was_taken_for_an_answer_that_cannot_be_written_ends_the_session_at_once()
    {
        var held = new TaskCompletionSource<CancellationToken>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                app.Use((context, next) =>
                {
                    if (context.Request.Query.ContainsKey("unnoticed"))
                    {
                        // As if the notice that the client has gone came later than the message.
                        held.TrySetResult(context.RequestAborted);
                        context.Features.Set<IHttpRequestLifetimeFeature>(new HttpRequestLifetimeFeature());
                    }

                    return next(context);
                });
                app.MapDuologue<EchoHandler>("/engine.io");
            },
            options => options.KeepAliveInterval = TimeSpan.FromHours(1));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        CancellationToken gone;
        Assert.Equal((200, "6"), await client.GetAsync("wait=0"));
        using (await RawPoll.SendAsync(host, $"GET /engine.io/?{client.Query}&unnoticed=1 HTTP/1.1\r\nHost: a\r\n\r\n"))
        {
            gone = await held.Task.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
            await Eventually.True(() => connection.Transport == Transport.LongPolling);
        }

        await Eventually.True(() => gone.IsCancellationRequested);
        connection.Send("nobody is there");

        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(CloseCause.ConnectionLost, info.Cause);
    }

    [Fact]
    public async Task A_client_that_closes_while_something_waits_for_it_has_closed_cleanly()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        connection.Send("never read");

        Assert.Equal((200, "ok"), await client.PostAsync("1"));

        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal((CloseCause.PeerClosed, true, true), (info.Cause, info.ByPeer, info.WasClean));
        Assert.True(info.UnsentBytes >= "never read".Length, $"{info.UnsentBytes}");
    }

    [Fact]
    public async Task The_client_closes_and_a_held_poll_ends_with_nothing()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        Assert.Equal((200, "6"), await client.GetAsync("wait=0"));
        Task<(int, string)> held = client.GetAsync();
        await Eventually.True(() => connection.Transport == Transport.LongPolling);

        Assert.Equal((200, "ok"), await client.PostAsync("1"));

        Assert.Equal((200, "6"), await held);
        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal((CloseCause.PeerClosed, true, true), (info.Cause, info.ByPeer, info.WasClean));
        Assert.Equal(400, (await client.GetAsync()).Status);
    }

    [Fact]
    public async Task A_poll_that_crossed_the_close_of_its_client_ends_with_nothing_too()
    {
        var time = new FakeTimeProvider();
        await using TestHost host = await StartWithAsync(time);
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();

        Assert.Equal((200, "ok"), await client.PostAsync("1"));
        Assert.Equal((200, "6"), await client.GetAsync());

        Assert.Equal(400, (await client.GetAsync()).Status);
        Assert.Equal(CloseCause.PeerClosed, (await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken)).Cause);
    }

    [Fact]
    public async Task A_session_that_its_client_has_closed_is_forgotten_a_moment_later()
    {
        // Nothing else ends it in this time.
        var time = new FakeTimeProvider();
        await using TestHost host = await StartWithAsync(time, TimeSpan.FromHours(1));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();

        Assert.Equal((200, "ok"), await client.PostAsync("1"));

        // In steps, as the moment may begin behind the answer. No poll asks meanwhile: that would end the session too.
        await Eventually.True(() =>
        {
            time.Advance(TimeSpan.FromMilliseconds(50));
            return connection.Closed.IsCompleted;
        });
        CloseInfo info = await connection.Closed;
        Assert.Equal((CloseCause.PeerClosed, true), (info.Cause, info.WasClean));
        Assert.Equal(400, (await client.GetAsync()).Status);
    }

    [Fact]
    public async Task Packets_behind_a_close_do_not_count_and_those_before_do()
    {
        var received = new List<string>();
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/engine.io", async connection =>
        {
            await foreach (Message message in connection.ReadAllAsync())
            {
                received.Add(message.Text);
            }

            ended.SetResult();
        }));
        await using SessionClient client = await SessionClient.OpenAsync(host);

        Assert.Equal((200, "ok"), await client.PostAsync("4before\u001e1\u001e4behind"));

        await ended.Task.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(["before"], received);
    }

    [Fact]
    public async Task The_server_closes_and_the_next_poll_has_what_waited_and_the_close()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        connection.Send("last words");

        Task<CloseInfo> closing = connection.CloseAsync(4000, "enough").AsTask();

        Assert.Equal((200, "4last words\u001e1"), await client.GetAsync());
        CloseInfo info = await closing.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal((4000, "enough", CloseCause.LocalClose, true, 0L), (info.Code, info.Reason, info.Cause, info.WasClean, info.UnsentBytes));
        Assert.Equal(400, (await client.GetAsync()).Status);
    }

    [Fact]
    public async Task What_no_poll_fetches_before_the_end_is_said_to_be_unsent()
    {
        await using TestHost host = await StartAsync(options => options.CloseTimeout = TimeSpan.FromMilliseconds(200));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        connection.Send("never read");

        CloseInfo info = await connection.CloseAsync().AsTask().WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);

        Assert.Equal((CloseCause.CloseTimeout, false), (info.Cause, info.WasClean));
        Assert.True(info.UnsentBytes >= "never read".Length, $"{info.UnsentBytes}");
    }

    [Fact]
    public async Task A_long_queue_leaves_in_answers_of_about_the_payload()
    {
        await using TestHost host = await StartAsync(options => options.MaxSessionPayload = 1_000);
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        string[] texts = [.. Enumerable.Range(0, 50).Select(i => $"{i}:" + new string('x', 90)), new string('y', 5_000)];
        foreach (string text in texts)
        {
            Assert.NotEqual(SendResult.Dropped, connection.Send(text));
        }

        (int status, string first) = await client.GetAsync();
        Assert.Equal(200, status);
        Assert.InRange(first.Length, 90, 1_000);
        List<string> rest = await client.CollectAsync(texts.Length - first.Split('\u001e').Length);

        Assert.Equal(texts.Select(text => "4" + text), [.. first.Split('\u001e'), .. rest]);
    }

    [Fact]
    public async Task A_client_that_rested_between_its_polls_for_less_than_its_pong_may_take_was_given_up_for_taking_nothing()
    {
        var time = new FakeTimeProvider();
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue<EchoHandler>("/engine.io"),
            options =>
            {
                options.KeepAliveTimeout = TimeSpan.FromSeconds(100);
                options.SendTimeout = TimeSpan.FromSeconds(30);
                options.DrainWindow = TimeSpan.Zero;
            },
            build => build.Services.AddSingleton<TimeProvider>(time));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = Assert.Single(host.Connections);
        connection.Send("news");

        // The ping is due after 20 s, and its pong by 120 s.
        for (int second = 0; second < 95; second++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        Assert.Equal((200, "4news\u001e2"), await client.GetAsync("wait=0"));
        Assert.False(connection.Closed.IsCompleted);
    }

    private static Task<TestHost> StartWithAsync(FakeTimeProvider time) => StartWithAsync(time, TimeSpan.FromMilliseconds(300));

    private static Task<TestHost> StartWithAsync(FakeTimeProvider time, TimeSpan keepAlive) => TestHost.StartAsync(
        app => app.MapDuologue<EchoHandler>("/engine.io"),
        options =>
        {
            options.KeepAliveInterval = keepAlive;
            options.KeepAliveTimeout = TimeSpan.FromMilliseconds(200);
            options.DrainWindow = TimeSpan.Zero;
        },
        build => build.Services.AddSingleton<TimeProvider>(time));
}
