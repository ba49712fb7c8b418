using System.Net;
using System.Text;
using CsCheck;
using Duologue.Client;
using Duologue.Tests.Client.Peers;

namespace Duologue.Tests.Client;

public class HandshakeRecorderTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    private const string Switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>Plays a conversation ('&gt;' written, '&lt;' read) in pieces of the given size.</summary>
    private static IReadOnlyList<HandshakeTrace> Play(int piece, int limit, params string[] script)
    {
        var recorder = new HandshakeRecorder(limit);
        var wire = new MemoryStream();
        Stream stream = recorder.Wrap(wire);
        foreach (string line in script)
        {
            byte[] bytes = Encoding.Latin1.GetBytes(line[1..]);
            wire.SetLength(0);
            if (line[0] == '<')
            {
                wire.Write(bytes);
                wire.Position = 0;
                byte[] buffer = new byte[piece];
                while (stream.Read(buffer) > 0)
                {
                }
            }
            else
            {
                foreach (byte[] chunk in bytes.Chunk(piece))
                {
                    stream.Write(chunk);
                }
            }
        }

        return recorder.Collect();
    }

    [Fact]
    public void However_the_bytes_are_cut_the_heads_are_the_same_and_no_frame_is_in_them() => Gen.Int[1, 100].Sample(piece =>
        Play(piece, 1000, ">" + Get, "<" + Switching + "\x81\x05Hello\r\n\r\n", ">\x81\x85 frame\r\n\r\n", "<more").SequenceEqual([new HandshakeTrace(Get, Switching)]));

    [Fact]
    public void A_second_request_on_the_connection_is_a_second_exchange_and_bodies_are_left_out() => Assert.Equal(
        [new HandshakeTrace(Get, "HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\n"), new HandshakeTrace(Get, Switching)],
        Play(7, 1000, ">" + Get, "<HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nbody", ">" + Get, "<" + Switching));

    [Fact]
    public void An_interim_answer_belongs_to_the_exchange() => Assert.Equal(
        [new HandshakeTrace(Get, "HTTP/1.1 103 Early Hints\r\n\r\n" + Switching)],
        Play(1000, 1000, ">" + Get, "<HTTP/1.1 103 Early Hints\r\n\r\n" + Switching));

    [Fact]
    public void What_goes_through_a_tunnel_is_not_its_exchange() => Assert.Equal(
        [new HandshakeTrace("CONNECT a:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n")],
        Play(1000, 1000, ">CONNECT a:1 HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\n\r\n", ">" + Get, "<" + Switching));

    [Fact]
    public void An_answer_that_never_came_whole_is_cut_short() => Assert.Equal(
        [new HandshakeTrace(Get, "HTTP/1.1 1")],
        Play(1000, 1000, ">" + Get, "<HTTP/1.1 1"));

    [Fact]
    public void No_more_than_the_limit_is_kept() => Assert.Equal(
        50,
        Assert.Single(Play(13, 50, ">" + Get, $"<HTTP/1.1 200 OK\r\nX: {new string('x', 500)}\r\n\r\n")).Response.Length);

    [Fact]
    public async Task A_handshake_is_traced_as_it_went_over_the_wire()
    {
        string? answer = null;
        await using var server = new RawServer(async exchange => await exchange.WriteAsync((answer = exchange.Accept("X-Odd:   spaced")) + "\x81\x02Hi"));
        var traces = new List<HandshakeTrace>();
        OpenedWebSocket opened = await WebSocketConnector.OpenAsync(server.Uri, new ConnectOptions { UseProxy = false, OnHandshake = traces.Add }, Cancelled);
        byte[] frame = new byte[4];
        await opened.Stream.ReadExactlyAsync(frame, Cancelled);
        Assert.Equal("\x81\x02Hi", Encoding.Latin1.GetString(frame));
        opened.Abort();
        Assert.Equal(new HandshakeTrace(server.Heads.Single(), answer!), Assert.Single(traces));
    }

    [Fact]
    public async Task A_handshake_that_fails_is_traced_too()
    {
        await using var server = new RawServer(exchange => exchange.WriteAsync("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"));
        var traces = new List<HandshakeTrace>();
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(() =>
            WebSocketConnector.OpenAsync(server.Uri, new ConnectOptions { UseProxy = false, OnHandshake = traces.Add }, Cancelled));
        Assert.Equal(HttpStatusCode.Forbidden, e.StatusCode);
        Assert.Equal("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\n", Assert.Single(traces).Response);
    }

    [Fact]
    public async Task A_hook_that_throws_ends_the_attempt_and_its_connection()
    {
        await using var server = new RawServer(exchange => exchange.WriteAsync(exchange.Accept()));
        var options = new ConnectOptions { UseProxy = false, OnHandshake = _ => throw new NotImplementedException("mine") };
        NotImplementedException e = await Assert.ThrowsAsync<NotImplementedException>(() => WebSocketConnector.OpenAsync(server.Uri, options, Cancelled));
        Assert.Equal("mine", e.Message);
        await server.FirstConnectionEnded.WaitAsync(TimeSpan.FromSeconds(30), Cancelled);
    }
}
