namespace Duologue.Protocol.Handshake;

/// <summary>What of a request decides the handshake.</summary>
/// <typeparam name="TValues">
/// The lines of one header. A struct such as ASP.NET Core's StringValues is used as it is, without boxing or copying.
/// </typeparam>
internal readonly struct ServerHandshakeRequest<TValues>
    where TValues : IReadOnlyList<string?>
{
    /// <summary>The method, upper case.</summary>
    public required string Method { get; init; }

    /// <summary>The HTTP version as <c>HttpRequest.Protocol</c> spells it: <c>HTTP/1.1</c>, <c>HTTP/2</c>.</summary>
    public required string HttpVersion { get; init; }

    /// <summary>The <c>:protocol</c> of an extended CONNECT (RFC 8441 §4); null on HTTP/1.1.</summary>
    public string? ConnectProtocol { get; init; }

    /// <summary>Lines of <c>Connection</c>.</summary>
    public TValues Connection { get; init; }

    /// <summary>Lines of <c>Upgrade</c>.</summary>
    public TValues Upgrade { get; init; }

    /// <summary>Lines of <c>Sec-WebSocket-Key</c>.</summary>
    public TValues Key { get; init; }

    /// <summary>Lines of <c>Sec-WebSocket-Version</c>.</summary>
    public TValues Version { get; init; }

    /// <summary>Lines of <c>Sec-WebSocket-Protocol</c>.</summary>
    public TValues Subprotocols { get; init; }

    /// <summary>Lines of <c>Sec-WebSocket-Extensions</c>.</summary>
    public TValues Extensions { get; init; }
}
