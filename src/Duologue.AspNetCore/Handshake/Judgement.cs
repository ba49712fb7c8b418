using Duologue.Protocol.Deflate;

namespace Duologue.AspNetCore;

/// <summary>What a request that may become a connection is to be answered, or why it may not.</summary>
internal sealed class Judgement
{
    public Refusal? Refusal { get; init; }

    /// <summary>Extended CONNECT (RFC 8441), and not an upgrade.</summary>
    public bool IsHttp2 { get; init; }

    /// <summary>The value of Sec-WebSocket-Accept; null on HTTP/2.</summary>
    public string? Accept { get; init; }

    public string? Subprotocol { get; init; }

    /// <summary>What is agreed about extensions: the value of the header, and what it means for the connection; "" and null if nothing is.</summary>
    public string Extensions { get; set; } = "";

    /// <inheritdoc cref="Extensions"/>
    public DeflateAgreement? Deflate { get; set; }

    /// <summary>Null only if refused.</summary>
    public HandlerChoice? Handler { get; init; }
}
