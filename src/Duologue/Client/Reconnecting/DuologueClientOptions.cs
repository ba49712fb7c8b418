namespace Duologue;

/// <summary>How a <see cref="DuologueClient"/> connects, comes back, and keeps what it could not send. Immutable; vary with <c>with</c>.</summary>
public sealed record DuologueClientOptions : ReconnectOptions
{
    /// <summary>
    /// The payload that may wait to be sent, while the client is away or the peer is slow. Default 1 MiB; at least 1. Passed: the new message is dropped, with
    /// <see cref="MessageFate.Overflowed"/>.
    /// </summary>
    public int MaxKeptBytes { get; init; } = 1024 * 1024;

    internal new void Validate()
    {
        base.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxKeptBytes, 1);
    }
}
