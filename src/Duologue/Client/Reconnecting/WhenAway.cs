namespace Duologue;

/// <summary>What becomes of a message that is sent while the client is away, or that has not left when it is cut.</summary>
public readonly record struct WhenAway
{
    private WhenAway(bool keeps, TimeSpan limit) => (Keeps, Limit) = (keeps, limit);

    /// <summary>It is dropped, and <see cref="DuologueClient.MessagesLost"/> tells of it: for what means nothing later. This is also the default value.</summary>
    public static WhenAway Drop => default;

    /// <summary>It waits until the client is back, in order, within <see cref="DuologueClientOptions.MaxKeptBytes"/>.</summary>
    public static WhenAway Keep { get; } = new(keeps: true, Timeout.InfiniteTimeSpan);

    internal bool Keeps { get; }

    internal TimeSpan Limit { get; }

    /// <summary>It waits for a time, and is dropped if it has not left by then.</summary>
    /// <param name="time">How long; positive.</param>
    /// <exception cref="ArgumentOutOfRangeException">The time is not positive.</exception>
    public static WhenAway KeepFor(TimeSpan time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(time, TimeSpan.Zero);
        return new(keeps: true, time);
    }
}

/// <summary>What has become of a message that was given to a <see cref="DuologueClient"/>.</summary>
public enum MessageFate
{
    /// <summary>It has left: the connection's carrier has it. Whether it has arrived is known a moment later, if the connection lives that long.</summary>
    Sent,

    /// <summary>It was not sent: the client was away, and it was not to be kept; or the client has ended.</summary>
    Dropped,

    /// <summary>It was not sent: its time was over before the client was back.</summary>
    Expired,

    /// <summary>It was not sent: <see cref="DuologueClientOptions.MaxKeptBytes"/> were waiting.</summary>
    Overflowed,

    /// <summary>It may have arrived, or not: the connection ended behind it, or within it, before there was a sign from the peer.</summary>
    Unknown,
}

/// <summary>Tells of messages that were not sent, or of which nobody knows whether they have arrived.</summary>
public sealed class MessagesLostEventArgs : EventArgs
{
    internal MessagesLostEventArgs(MessageFate fate, long first, long last, int count, long bytes) =>
        (Fate, First, Last, Count, Bytes) = (fate, first, last, count, bytes);

    /// <summary>What has become of them; never <see cref="MessageFate.Sent"/>.</summary>
    public MessageFate Fate { get; }

    /// <summary>The number of the first of them: what <see cref="DuologueClient.Send(string, WhenAway)"/> gave.</summary>
    public long First { get; }

    /// <summary>The number of the last of them. Between the two are none but these and such as were told of before, or taken back.</summary>
    public long Last { get; }

    /// <summary>How many they are.</summary>
    public int Count { get; }

    /// <summary>Their payload.</summary>
    public long Bytes { get; }
}
