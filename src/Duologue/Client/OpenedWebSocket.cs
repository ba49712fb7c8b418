using Duologue.Carriers;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;
using Microsoft.Extensions.Logging;

namespace Duologue.Client;

/// <summary>A WebSocket after its handshake and before its first frame. Either start it or abort it.</summary>
internal sealed class OpenedWebSocket(Stream stream, Version httpVersion, string? subprotocol, string extensions, DeflateAgreement? deflate, ConnectOptions options, ILogger logger) : OpenedConversation
{
    /// <summary>The bytes behind the server's 101 or 200, to and fro.</summary>
    public Stream Stream { get; } = stream;

    /// <summary>The version of HTTP that the server agreed to.</summary>
    public Version HttpVersion { get; } = httpVersion;

    public override string? Subprotocol { get; } = subprotocol;

    public override string Extensions { get; } = extensions;

    /// <summary>What lies under a stream of HTTP/1.1; null on HTTP/2, whose streams have two ends of their own.</summary>
    public HalfOpenStream? Below { get; init; }

    /// <summary>Called when the connection has ended and no ping was ever answered, though there was the time to.</summary>
    public Action? WasMute { get; set; }

    public override WebSocketConnection Start(IMessageHandler? handler)
    {
        var observer = new ClientObserver(ClientMetrics.For(options).Connections, options.TimeProvider, Transport.WebSocket) { WasMute = WasMute };
        return Start(handler, observer, static _ => { });
    }

    /// <inheritdoc cref="OpenedConversation.Start"/>
    /// <param name="handler">Receives by push; null where the application receives.</param>
    /// <param name="observer">Whom the connection tells; nobody where it carries a session, which is what counts.</param>
    /// <param name="made">Is given the connection before its handler is called.</param>
    public WebSocketConnection Start(IMessageHandler? handler, ConnectionObserver observer, Action<WebSocketConnection> made)
    {
        var connection = new WebSocketConnection(new ConnectionSetup
        {
            Role = Role.Client,
            Options = options,
            Subprotocol = Subprotocol,
            Extensions = Extensions,
            Deflate = deflate,
            Logger = logger,
            Observer = observer,
            Handler = handler,
        });

        made(connection);

        // Never throws: the connection's own CloseInfo says how it ended.
        StreamCarrier carrier = Below is null ? new(Stream, connection) : new(Stream, connection, Below);
        _ = carrier.RunAsync();
        return connection;
    }

    /// <summary>Ends the TCP connection, or the HTTP/2 stream, without a word.</summary>
    public override void Abort() => Stream.Dispose();
}
