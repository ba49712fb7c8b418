namespace Duologue.Protocol.Handshake;

/// <summary>What of an answer decides the handshake. Each list holds the lines of one header; empty if it is absent.</summary>
internal readonly struct ClientHandshakeResponse
{
    public required int StatusCode { get; init; }

    /// <summary>The words after the status; may be empty.</summary>
    public string? ReasonPhrase { get; init; }

    /// <summary>Where a redirect leads, as it may be shown; null if it does not say.</summary>
    public string? Location { get; init; }

    public required IReadOnlyList<string> Upgrade { get; init; }

    public required IReadOnlyList<string> Connection { get; init; }

    public required IReadOnlyList<string> Accept { get; init; }

    public required IReadOnlyList<string> Subprotocol { get; init; }

    public required IReadOnlyList<string> Extensions { get; init; }
}
