namespace Duologue;

/// <summary>How a conversation ended; given exactly once per connection.</summary>
/// <param name="Code">The close code: the peer's if it sent one, else ours; 1005 if the Close had none, 1006 if there was no Close (RFC 6455 §7.1.5).</param>
/// <param name="Reason">The reason that came with <paramref name="Code"/>; never null.</param>
/// <param name="ByPeer">Whether the peer began the closing.</param>
/// <param name="WasClean">Whether a Close frame was both sent and received.</param>
/// <param name="Cause">Why, seen from this side.</param>
public sealed record CloseInfo(ushort Code, string Reason, bool ByPeer, bool WasClean, CloseCause Cause)
{
    /// <summary>
    /// Bytes that were accepted for sending but that the carrier never took. What the carrier took last may be lost
    /// too: a WebSocket message has no acknowledgement.
    /// </summary>
    public long UnsentBytes { get; init; }

    /// <summary>The rule that the peer broke, if <see cref="Cause"/> is <see cref="CloseCause.ProtocolViolation"/>.</summary>
    public ProtocolViolation? Violation { get; init; }
}

/// <summary>Why a connection ended, seen from this side.</summary>
public enum CloseCause
{
    /// <summary>The peer sent a Close frame first.</summary>
    PeerClosed,

    /// <summary>This side called <see cref="Connection.CloseAsync(ushort, string)"/>, or the handler delegate returned.</summary>
    LocalClose,

    /// <summary>This side called <see cref="Connection.Abort"/> or disposed the connection.</summary>
    Aborted,

    /// <summary>The transport ended or failed without a Close frame.</summary>
    ConnectionLost,

    /// <summary>The peer broke the protocol; see <see cref="CloseInfo.Violation"/>.</summary>
    ProtocolViolation,

    /// <summary>A message exceeded the message limit; over polling also one that the server refused for its size.</summary>
    MessageTooBig,

    /// <summary>The peer exceeded a limit on fragments, on the rate of frames or on the time of a message.</summary>
    LimitExceeded,

    /// <summary>The send queue was full and its policy is to close.</summary>
    SendQueueFull,

    /// <summary>No sign of life within the keep-alive timeout.</summary>
    KeepAliveTimeout,

    /// <summary>The peer did not answer our Close frame in time.</summary>
    CloseTimeout,

    /// <summary>The application's handler threw.</summary>
    HandlerFailed,

    /// <summary>The server is shutting down.</summary>
    ServerDraining,

    /// <summary>The peer took nothing of what waited to be sent within <see cref="ConnectionOptions.SendTimeout"/>.</summary>
    SendTimeout,
}
