using Duologue.Client;
using Duologue.Tests.Client.Peers;

namespace Duologue.Tests.Client;

public class ConversationConnectorTests
{
    private const Transports All = Transports.WebSocket | Transports.LongPolling | Transports.Polling;

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
    public void A_subprotocol_needs_the_WebSocket()
    {
        var options = new ConnectOptions { Transports = All, PollingFirst = true, Subprotocols = ["chat"] };

        Assert.Equal([Transport.WebSocket], ConversationConnector.Order(options, Transport.LongPolling));
    }
}
