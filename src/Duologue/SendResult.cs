namespace Duologue;

/// <summary>What became of a message given to <see cref="Connection.Send(ReadOnlySpan{byte}, MessageType)"/>.</summary>
public enum SendResult
{
    /// <summary>The carrier has it: it leaves at once, or when the current batch ends.</summary>
    Sent,

    /// <summary>The carrier is busy; the message waits in the send queue, in order.</summary>
    Queued,

    /// <summary>It will not be sent: the connection is closing, or the send queue is full and its policy said so. Counted.</summary>
    Dropped,
}
