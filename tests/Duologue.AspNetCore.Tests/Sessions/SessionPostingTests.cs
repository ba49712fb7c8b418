using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net.Http.Headers;
using System.Text;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Duologue.AspNetCore.Tests.Sessions;

/// <summary>What a client of a polled session posts, rule by rule, in raw HTTP.</summary>
public class SessionPostingTests
{
    private static Task<TestHost> StartAsync() => StartAsync(_ => { });

    private static Task<TestHost> StartAsync(Action<DuologueOptions> options) =>
        TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"), options);

    [Fact]
    public async Task A_second_post_while_one_is_read_closes_the_session()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        using RawPoll slow = await RawPoll.SendAsync(host, $"POST /engine.io/?{client.Query} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");

        // The server asks for the body: it is reading.
        await slow.ReadUntilAsync("100 Continue");

        Assert.Equal(400, (await client.PostAsync("4x")).Status);
        Assert.Equal(ProtocolViolation.OverlappingRequests, (await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken)).Violation);
        await slow.ReadToEndAsync();
    }

    [Theory]
    [InlineData(100, 200, false)]
    [InlineData(101, 413, false)]
    [InlineData(100, 200, true)]
    [InlineData(101, 413, true)]
    public async Task A_body_may_be_as_long_as_the_payload_and_no_longer(int length, int status, bool chunked)
    {
        await using TestHost host = await StartAsync(options => options.MaxSessionPayload = 100);
        await using SessionClient client = await SessionClient.OpenAsync(host);
        string body = "4" + new string('x', length - 1);
        HttpContent content = chunked ? new StreamContent(new UnknownLength(Encoding.UTF8.GetBytes(body))) : new StringContent(body);

        (int answered, string said) = await client.AskAsync(HttpMethod.Post, client.Query, content);

        Assert.Equal((status, status == 200 ? "ok" : ""), (answered, said));
        Assert.Equal((200, "ok"), await client.PostAsync("4y"));
        Assert.Equal((200, status == 200 ? body : "4y"), await client.GetAsync());
    }

    [Theory]
    [InlineData("")]
    [InlineData("abc")]
    [InlineData("4x\u001e")]
    [InlineData("4x\u001eabc\u001e4y")]
    [InlineData("2")]
    [InlineData("2probe")]
    [InlineData("b!!!!")]
    [InlineData("7")]
    public async Task A_bad_packet_is_refused_and_closes_the_session(string body)
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();

        Assert.Equal(400, (await client.PostAsync(body)).Status);

        Assert.Equal(400, (await client.GetAsync()).Status);
        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal((CloseCause.ProtocolViolation, ProtocolViolation.InvalidPacket), (info.Cause, info.Violation!.Value));
    }

    [Fact]
    public async Task Packets_before_a_bad_one_are_delivered()
    {
        var received = new ConcurrentQueue<string>();
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/engine.io", async connection =>
        {
            await foreach (Message message in connection.ReadAllAsync())
            {
                received.Enqueue(message.Text);
            }
        }));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        await client.PostAsync("4first");
        await Eventually.True(() => received.Count == 1);

        Assert.Equal(400, (await client.PostAsync("4second\u001eabc\u001e4third")).Status);

        await Eventually.True(() => host.Connections.Count == 0 && received.Count == 2);
        Assert.Equal(["first", "second"], received);
    }

    [Fact]
    public async Task An_octet_stream_is_the_old_protocol_and_closes_the_session()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        var content = new ByteArrayContent("4x"u8.ToArray());
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");

        Assert.Equal(400, (await client.AskAsync(HttpMethod.Post, client.Query, content)).Status);
        Assert.Equal(400, (await client.GetAsync()).Status);
    }

    [Fact]
    public async Task A_handler_that_is_behind_holds_the_post_back_and_loses_nothing()
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/engine.io", async connection =>
        {
            await foreach (Message message in connection.ReadAllAsync())
            {
                await release.Task;
                await connection.SendAsync(message.Data, message.Type);
            }
        }));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        string[] texts = [.. Enumerable.Range(0, 40).Select(i => $"{i}:" + new string('x', 10_000))];

        Task<(int, string)> post = client.PostAsync(string.Join('\u001e', texts.Select(text => "4" + text)));
        Assert.NotSame(post, await Task.WhenAny(post, Task.Delay(200, TestContext.Current.CancellationToken)));
        Task<List<string>> echoed = client.CollectAsync(texts.Length);
        release.SetResult();

        Assert.Equal((200, "ok"), await post);
        Assert.Equal(texts.Select(text => "4" + text), await echoed);
    }

    [Fact]
    public async Task A_post_whose_session_ended_before_all_of_it_was_taken_was_answered_ok()
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/engine.io", async connection =>
        {
            await connection.ReceiveAsync();
            await release.Task;
        }));
        using var pauses = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), "Duologue.AspNetCore", "duologue.server.receive.pauses");
        await using SessionClient client = await SessionClient.OpenAsync(host);
        string texts = string.Join('\u001e', Enumerable.Range(0, 40).Select(i => $"4{i}:" + new string('x', 10_000)));
        Task<(int Status, string)> post = client.PostAsync(texts);

        // The handler is behind, and so is the reading.
        await pauses.WaitForMeasurementsAsync(1, TestHost.Patience);
        Assert.Single(host.Connections).Abort();

        Assert.Equal(400, (await post).Status);
        release.SetResult();
    }

    [Fact]
    public async Task A_post_that_was_taken_whole_is_answered_ok_though_its_session_has_ended_by_it()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/engine.io", async connection =>
        {
            await connection.ReceiveAsync();
            connection.Abort();
        }));
        await using SessionClient client = await SessionClient.OpenAsync(host);

        Assert.Equal((200, "ok"), await client.PostAsync("4bye"));
    }

    [Theory]
    [InlineData(true, "4boom\u001e4behind", 400)]
    [InlineData(true, "4boom", 200)]
    [InlineData(false, "4boom\u001e4behind", 400)]
    [InlineData(false, "4boom", 200)]
    public async Task A_post_of_which_messages_lay_behind_the_one_at_which_the_handler_threw_was_answered_ok(bool isDelegate, string body, int status)
    {
        await using TestHost host = await TestHost.StartAsync(app => _ = isDelegate
            ? app.MapDuologue("/engine.io", async connection =>
            {
                // It receives before the message comes, and says so.
                ValueTask<Message> next = connection.ReceiveAsync();
                connection.Send("ready");
                throw new InvalidOperationException((await next).Text);
            })
            : app.MapDuologue<ThrowingHandler>("/engine.io"));

        // A delegate that is held up behind its first words throws behind the answer: then it is tried again.
        int attempts = isDelegate && status == 400 ? 5 : 1;
        int answered;
        do
        {
            await using SessionClient client = await SessionClient.OpenAsync(host);
            Connection connection = host.Connections.Single();
            if (isDelegate)
            {
                Assert.Equal((200, "4ready"), await client.GetAsync());
            }

            answered = (await client.PostAsync(body)).Status;

            // The close is still there for the next poll.
            Assert.Equal((200, "1"), await client.GetAsync());
            Assert.Equal(CloseCause.HandlerFailed, (await connection.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken)).Cause);
            await Eventually.True(() => host.Connections.Count == 0);
        }
        while (answered != status && --attempts > 0);

        Assert.Equal(status, answered);
    }

    [Theory]
    [InlineData("3")]
    [InlineData("1")]
    public async Task A_packet_without_a_message_was_answered_400_for_one_that_a_handler_had_left_when_it_returned(string packet)
    {
        var returns = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/engine.io", async connection =>
        {
            await connection.ReceiveAsync();
            await returns.Task;
        }));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        var connection = (WebSocketConnection)host.Connections.Single();
        Assert.Equal((200, "ok"), await client.PostAsync("4a\u001e4left"));

        returns.SetResult();
        await Eventually.True(() => connection.HasCut);
        Assert.Equal((200, "ok"), await client.PostAsync(packet));
    }

    private sealed class ThrowingHandler : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message) => throw new InvalidOperationException(message.Text);
    }

    /// <summary>A stream that does not tell how long it is, so that it is sent in chunks.</summary>
    private sealed class UnknownLength(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
