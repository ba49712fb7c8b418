using Duologue.Carriers;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;
using Microsoft.Extensions.Logging;

namespace Duologue.Client;

/// <summary>A WebSocket after its handshake and before its first frame. Either start it or abort it.</summary>
internal sealed class OpenedWebSocket(Stream stream, Version httpVersion, string? subprotocol, string extensions, DeflateAgreement? deflate, ConnectOptions options, ILogger logger)
{
    /// <summary>The bytes behind the server's 101 or 200, to and fro.</summary>
    public Stream Stream { get; } = stream;

    /// <summary>The version of HTTP that the server agreed to.</summary>
    public Version HttpVersion { get; } = httpVersion;

    /// <summary>The agreed subprotocol; null if none is.</summary>
    public string? Subprotocol { get; } = subprotocol;

    /// <summary>The agreed extensions as a header's value; "" if there are none.</summary>
    public string Extensions { get; } = extensions;

    /// <summary>What lies under a stream of HTTP/1.1; null on HTTP/2, whose streams have two ends of their own.</summary>
    public HalfOpenStream? Below { get; init; }

    /// <summary>Makes the connection and lets it run in the background until it ends by itself. The handler may be called before this returns.</summary>
    /// <param name="handler">Receives by push; null where the application receives.</param>
    public WebSocketConnection Start(IMessageHandler? handler)
    {
        var connection = new WebSocketConnection(new ConnectionSetup
        {
            Role = Role.Client,
            Options = options,
            Subprotocol = Subprotocol,
            Extensions = Extensions,
            Deflate = deflate,
            Logger = logger,
            Observer = new ClientObserver(ClientMetrics.For(options).Connections, options.TimeProvider),
            Handler = handler,
        });

        // Never throws: the connection's own CloseInfo says how it ended.
        StreamCarrier carrier = Below is null ? new(Stream, connection) : new(Stream, connection, Below);
        _ = carrier.RunAsync();
        return connection;
    }

    /// <summary>Ends the TCP connection, or the HTTP/2 stream, without a word.</summary>
    public void Abort() => Stream.Dispose();
}
