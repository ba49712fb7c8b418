using Duologue.Client;

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
    public void A_subprotocol_needs_the_WebSocket()
    {
        var options = new ConnectOptions { Transports = All, PollingFirst = true, Subprotocols = ["chat"] };

        Assert.Equal([Transport.WebSocket], ConversationConnector.Order(options, Transport.LongPolling));
    }
}
