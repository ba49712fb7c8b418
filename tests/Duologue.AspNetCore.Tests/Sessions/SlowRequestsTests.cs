using System.Text;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;

namespace Duologue.AspNetCore.Tests.Sessions;

/// <summary>Requests of sessions that are slow, or many, or more than may be.</summary>
public class SlowRequestsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // However slow the machine is: no heartbeat comes between, and Kestrel does not give up a body for its pace.
    private static Task<TestHost> StartAsync() => TestHost.StartAsync(
        app => app.MapDuologue<EchoHandler>("/engine.io"),
        options => options.KeepAliveInterval = TimeSpan.FromHours(1),
        build => build.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MinRequestBodyDataRate = null));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_post_whose_bytes_come_one_at_a_time_is_one_payload(bool isChunked)
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        byte[] payload = Encoding.UTF8.GetBytes("4ä\u001ebAQID\u001e4🍵\u001e4" + new string('x', 100));
        await using RawClient slow = await RawClient.ConnectAsync(host.Url);
        await slow.Stream.WriteAsync(Head(client, isChunked ? null : payload.Length), Token);

        foreach (byte b in payload)
        {
            byte[] piece = isChunked ? [(byte)'1', (byte)'\r', (byte)'\n', b, (byte)'\r', (byte)'\n'] : [b];
            await slow.Stream.WriteAsync(piece, Token);
        }

        RawAnswer answer = await slow.RequestAsync(isChunked ? "0\r\n\r\n" : "");
        Assert.Equal(200, answer.Status);
        Assert.Equal((200, Encoding.UTF8.GetString(payload)), await client.GetAsync());
    }

    [Fact]
    public async Task Posts_that_are_slow_hold_up_no_other_session_nor_what_their_own_receive()
    {
        await using TestHost host = await StartAsync();
        var slow = new List<(SessionClient Client, RawClient Raw)>();
        try
        {
            for (int i = 0; i < 30; i++)
            {
                SessionClient client = await SessionClient.OpenAsync(host);
                RawClient raw = await RawClient.ConnectAsync(host.Url);
                slow.Add((client, raw));
                await raw.Stream.WriteAsync(Head(client, 3), Token);
                await raw.Stream.WriteAsync("4"u8.ToArray(), Token);
            }

            // Another session, many small posts one behind the other.
            await using SessionClient quick = await SessionClient.OpenAsync(host);
            for (int i = 0; i < 100; i++)
            {
                Assert.Equal((200, "ok"), await quick.PostAsync($"4{i}"));
            }

            Assert.Equal(Enumerable.Range(0, 100).Select(i => $"4{i}"), await quick.CollectAsync(100));

            // What the server says gets to those whose posts are not done.
            foreach (Connection connection in host.Connections)
            {
                connection.Send("news");
            }

            foreach ((SessionClient client, RawClient _) in slow)
            {
                Assert.Equal((200, "4news"), await client.GetAsync());
            }

            foreach ((SessionClient client, RawClient raw) in slow)
            {
                Assert.Equal(200, (await raw.RequestAsync("ab")).Status);
                Assert.Equal((200, "4ab"), await client.GetAsync());
            }
        }
        finally
        {
            foreach ((SessionClient client, RawClient raw) in slow)
            {
                await raw.DisposeAsync();
                await client.DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task A_post_that_breaks_HTTP_was_answered_as_if_it_were_taken()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        await using RawClient raw = await RawClient.ConnectAsync(host.Url);
        RawAnswer answer = await raw.RequestAsync(Encoding.ASCII.GetString(Head(client, null)) + "2\r\n4x\r\nzz\r\n");
        Assert.Equal(400, answer.Status);

        // What the client still had to say is unknown: a session with a gap is none.
        Assert.Equal(400, (await client.GetAsync()).Status);
    }

    [Fact]
    public async Task Many_posts_at_a_time_end_the_session_and_no_other()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        await using RawClient slow = await RawClient.ConnectAsync(host.Url);
        RawAnswer asked = await slow.RequestAsync(Encoding.ASCII.GetString(Head(client, 3)).Replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n", StringComparison.Ordinal));
        Assert.Equal(100, asked.Status);
        await using SessionClient other = await SessionClient.OpenAsync(host);

        (int Status, string Body)[] answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => client.PostAsync("4x")));

        Assert.All(answers, answer => Assert.Equal(400, answer.Status));
        CloseInfo info = await connection.Closed.WaitAsync(TestHost.Patience, Token);
        Assert.Equal(ProtocolViolation.OverlappingRequests, info.Violation);
        Assert.Equal((200, "ok"), await other.PostAsync("4y"));
        Assert.Equal((200, "4y"), await other.GetAsync());
    }

    [Fact]
    public async Task Many_polls_at_a_time_end_the_session_and_no_other()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        Assert.Equal((200, "6"), await client.GetAsync("wait=0"));
        Task<(int Status, string Body)> held = client.GetAsync();
        await Eventually.True(() => connection.Transport == Transport.LongPolling);
        await using SessionClient other = await SessionClient.OpenAsync(host);

        (int Status, string Body)[] answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => client.GetAsync()));

        Assert.All(answers, answer => Assert.Equal(400, answer.Status));
        Assert.Equal((200, "1"), await held);
        Assert.Equal(ProtocolViolation.OverlappingRequests, (await connection.Closed.WaitAsync(TestHost.Patience, Token)).Violation);
        Assert.Equal((200, "ok"), await other.PostAsync("4y"));
        Assert.Equal((200, "4y"), await other.GetAsync());
    }

    [Fact]
    public async Task A_post_whose_session_ends_while_its_body_comes_is_not_said_to_be_taken()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        await using RawClient slow = await RawClient.ConnectAsync(host.Url);
        Assert.Equal(100, (await slow.RequestAsync(Encoding.ASCII.GetString(Head(client, 3)).Replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n", StringComparison.Ordinal))).Status);

        connection.Abort();
        await connection.Closed.WaitAsync(TestHost.Patience, Token);

        Assert.Equal(400, (await slow.RequestAsync("4ab")).Status);
    }

    private static byte[] Head(SessionClient client, int? length) => Encoding.ASCII.GetBytes(
        $"POST /engine.io/?{client.Query} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n{(length is null ? "Transfer-Encoding: chunked" : $"Content-Length: {length}")}\r\n\r\n");
}
