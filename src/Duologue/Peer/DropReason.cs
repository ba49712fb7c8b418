namespace Duologue;

/// <summary>Why a message was not sent, or was not given to the application. Each is counted.</summary>
internal enum DropReason
{
    /// <summary>Sent to a connection that had closed or begun to.</summary>
    Closed,

    /// <summary>The send queue was full: the connection closes.</summary>
    QueueFull,

    /// <summary>The send queue was full: the oldest messages went.</summary>
    Oldest,

    /// <summary>The send queue was full: the new message went.</summary>
    Newest,

    /// <summary>Accepted for sending, and never taken by the carrier.</summary>
    Unsent,

    /// <summary>Received while closing, when nobody took messages any more, or after the handler had failed.</summary>
    Unreceived,

    /// <summary>Sent by id to a connection that the server does not have, or has no more.</summary>
    NotFound,
}
