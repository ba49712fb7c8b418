namespace Duologue.Client;

/// <summary>Why connecting came to nothing. Each is counted.</summary>
internal enum ConnectFailure
{
    /// <summary>What none of the others is.</summary>
    Other,

    /// <summary>The host has no address.</summary>
    NameResolution,

    /// <summary>No address took the TCP connection, or it broke.</summary>
    Connection,

    /// <summary>TLS failed; mostly the server's certificate is not trusted.</summary>
    Tls,

    /// <summary>The proxy did not let it through, or has an unknown scheme.</summary>
    Proxy,

    /// <summary>The server takes no WebSocket over the version of HTTP that was asked for.</summary>
    HttpVersion,

    /// <summary>The credentials did not do.</summary>
    Authentication,

    /// <summary><see cref="ConnectOptions.ConnectTimeout"/>.</summary>
    Timeout,

    /// <summary>The server answered with another status than the one that opens a WebSocket: it refuses.</summary>
    Status,

    /// <summary>The server's answer breaks RFC 6455 §4.</summary>
    MalformedHandshake,

    /// <summary>The server agreed to none of the subprotocols, which a browser demands.</summary>
    Subprotocol,

    /// <summary><see cref="ConnectOptions.MaxResponseHeaderSize"/>.</summary>
    HeaderTooLarge,

    /// <summary>The server ended the connection before its answer was whole.</summary>
    ResponseEnded,

    /// <summary>The answer is not HTTP.</summary>
    InvalidResponse,

    /// <summary>A port that browsers block.</summary>
    BlockedPort,

    /// <summary>The caller gave up.</summary>
    Cancelled,

    /// <summary>The application's own code threw: <see cref="ConnectOptions.OnHandshake"/> or a callback of TLS.</summary>
    Application,
}
