using System.Net;
using Duologue.Client;
using Duologue.Tests.Client.Peers;
using Duologue.Tests.Peer;

namespace Duologue.Tests.Client;

public class ConversationConnectorTests
{
    private const Transports All = Transports.WebSocket | Transports.LongPolling | Transports.Polling;

    private static readonly ConnectOptions Polled = new() { Transports = Transports.LongPolling };

    [Theory]
    [InlineData(All, false, null, "WebSocket LongPolling Polling")]
    [InlineData(All, true, null, "LongPolling Polling WebSocket")]
    [InlineData(All, false, Transport.LongPolling, "LongPolling WebSocket Polling")]
    [InlineData(All, false, Transport.Polling, "Polling WebSocket LongPolling")]
    [InlineData(All, true, Transport.WebSocket, "WebSocket LongPolling Polling")]
    [InlineData(Transports.WebSocket, false, Transport.LongPolling, "WebSocket")]
    [InlineData(Transports.Polling | Transports.WebSocket, false, null, "WebSocket Polling")]
    public void What_got_through_last_is_tried_first(Transports transports, bool pollingFirst, Transport? known, string order)
    {
        var options = new ConnectOptions { Transports = transports, PollingFirst = pollingFirst };

        Assert.Equal(order, string.Join(' ', ConversationConnector.Order(options, known)));
    }

    [Fact]
    public async Task The_reason_phrase_of_a_refused_session_was_told_with_its_control_characters()
    {
        await using var server = new RawServer(exchange => exchange.WriteAsync("HTTP/1.1 404 \u001b[31mred\r\nContent-Length: 0\r\n\r\n"));

        HandshakeException refused = await Assert.ThrowsAsync<HandshakeException>(
            async () => await Connection.ConnectAsync(server.Uri, new ConnectOptions { Transports = Transports.LongPolling }, TestContext.Current.CancellationToken));

        Assert.EndsWith("The server answered 404 \"?[31mred\".", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_a_polled_request_is_redirected_to_is_told()
    {
        await using var server = new RawServer(exchange => exchange.WriteAsync("HTTP/1.1 308 Permanent Redirect\r\nLocation: /moved?key=secret\r\nContent-Length: 0\r\n\r\n"));

        HandshakeException refused = await Assert.ThrowsAsync<HandshakeException>(() => PollAsync(server.Uri, Polled, TestContext.Current.CancellationToken));

        Assert.Contains($"The server answered 308 \"Permanent Redirect\". It redirects to \"ws://127.0.0.1:{server.Port}/moved\", which", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_proxy_that_cannot_be_used_was_told_by_polling_with_an_exception_of_the_platforms()
    {
        HandshakeException failed = await Assert.ThrowsAsync<HandshakeException>(
            () => PollAsync(new Uri("ws://127.0.0.1:9/"), Polled with { Proxy = new WebProxy("ftp://127.0.0.1:9") }, TestContext.Current.CancellationToken));

        Assert.Equal(ConnectFailure.Proxy, failed.Failure);
    }

    [Fact]
    public async Task Who_cancelled_a_polled_connect_was_given_a_token_that_is_not_his()
    {
        await using var server = new RawServer(exchange => Task.Delay(Timeout.Infinite, exchange.Stop));
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        Task connecting = PollAsync(server.Uri, Polled with { ConnectTimeout = Timeout.InfiniteTimeSpan }, cancel.Token);
        await Waiting.Until(() => !server.Heads.IsEmpty);

        await cancel.CancelAsync();

        OperationCanceledException cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting);
        Assert.Equal(cancel.Token, cancelled.CancellationToken);
    }

    [Fact]
    public void A_subprotocol_needs_the_WebSocket()
    {
        var options = new ConnectOptions { Transports = All, PollingFirst = true, Subprotocols = ["chat"] };

        Assert.Equal([Transport.WebSocket], ConversationConnector.Order(options, Transport.LongPolling));
    }

    private static Task<Connection> PollAsync(Uri uri, ConnectOptions options, CancellationToken cancellationToken) => Connection.ConnectAsync(uri, options, cancellationToken).AsTask();
}
