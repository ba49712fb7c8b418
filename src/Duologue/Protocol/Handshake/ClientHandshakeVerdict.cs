using Duologue.Protocol.Deflate;

namespace Duologue.Protocol.Handshake;

/// <summary>Which rule of the opening handshake an answer broke.</summary>
internal enum ClientHandshakeFailure
{
    None,
    Status,
    Upgrade,
    Connection,
    Accept,
    Subprotocol,
    Extension,
}

/// <summary>What a client makes of the server's answer.</summary>
internal sealed class ClientHandshakeVerdict
{
    private ClientHandshakeVerdict(ClientHandshakeFailure failure, string reason, string? subprotocol, IReadOnlyList<Extension> extensions, DeflateParameters? deflate)
    {
        Failure = failure;
        Reason = reason;
        Subprotocol = subprotocol;
        Extensions = extensions;
        Deflate = deflate;
    }

    /// <summary>Whether the conversation may begin.</summary>
    public bool IsAccepted => Failure == ClientHandshakeFailure.None;

    /// <summary>The broken rule, or None.</summary>
    public ClientHandshakeFailure Failure { get; }

    /// <summary>If failed, a sentence that says what the server answered and what was expected; else "".</summary>
    public string Reason { get; }

    /// <summary>The agreed subprotocol; null if none is.</summary>
    public string? Subprotocol { get; }

    /// <summary>The agreed extensions, in the server's order.</summary>
    public IReadOnlyList<Extension> Extensions { get; }

    /// <summary>The server's answer about compression; null if there is to be none.</summary>
    public DeflateParameters? Deflate { get; }

    public static ClientHandshakeVerdict Accepted(string? subprotocol, IReadOnlyList<Extension> extensions, DeflateParameters? deflate) =>
        new(ClientHandshakeFailure.None, "", subprotocol, extensions, deflate);

    public static ClientHandshakeVerdict Failed(ClientHandshakeFailure failure, string reason) => new(failure, reason, null, [], null);
}
