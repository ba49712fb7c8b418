namespace Duologue;

/// <summary>What to do with a message when the send queue is full.</summary>
public enum SendQueuePolicy
{
    /// <summary>Close the connection with 1013. The default: the loss is seen by both sides.</summary>
    Close,

    /// <summary>Drop the messages that have waited longest, and count them.</summary>
    DropOldest,

    /// <summary>Drop the new message, and count it.</summary>
    DropNewest,

    /// <summary>
    /// Take one message past the limit, and receive no further message from this peer until the queue is below it
    /// again, so that an answer per message is never lost. A message sent while the queue is over its limit is dropped and counted.
    /// </summary>
    Wait,
}

/// <summary>
/// The limits and timings of one connection. The defaults are safe on the open internet. A time is positive and at most 49 days, or
/// <see cref="Timeout.InfiniteTimeSpan"/>. Immutable; vary with <c>with</c>.
/// </summary>
public record ConnectionOptions
{
    /// <summary>The largest message to receive whole, in bytes. Default 1 MiB; at least 1. Passed: close 1009.</summary>
    public int MaxMessageSize { get; init; } = 1024 * 1024;

    /// <summary>
    /// The most fragments of one message; 0 for no limit. Default 4,096. Passed: close 1008. Does not apply to a message that is read
    /// piecewise.
    /// </summary>
    public int MaxFragments { get; init; } = 4096;

    /// <summary>The bytes that may wait to be sent. Default 1 MiB; at least 1. Passed: see <see cref="SendQueuePolicy"/>.</summary>
    public int SendQueueLimit { get; init; } = 1024 * 1024;

    /// <summary>What happens when the send queue is full. Default <see cref="Duologue.SendQueuePolicy.Close"/>.</summary>
    public SendQueuePolicy SendQueuePolicy { get; init; } = SendQueuePolicy.Close;

    /// <summary>How often the peer is pinged, which also measures <see cref="Connection.Latency"/>. Default 20 s; <see cref="Timeout.InfiniteTimeSpan"/> for never.</summary>
    public TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long after such a ping some sign of life may take. Default 20 s. Passed: the connection ends with <see cref="CloseCause.KeepAliveTimeout"/>.</summary>
    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// How long the peer may take to answer a Close frame. Default 5 s. Passed: the connection is aborted. When the peer
    /// closes first, a handler that is still at work, or an application that has not yet asked for the next message, has half of
    /// this time to send its last answers before the Close is answered; likewise when the peer ends its direction of the stream.
    /// </summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long the peer may take nothing while something waits to be sent; of a large message, for each 64 KiB. Default <see cref="Timeout.InfiniteTimeSpan"/>: what its
    /// server does not read yet, a client waits to send; of a server's connections it is 30 s. Passed: the connection is aborted, with
    /// <see cref="CloseCause.SendTimeout"/>. Keep-alive alone would let a peer that sends and does not read hold its queue for ever.
    /// </summary>
    public TimeSpan SendTimeout { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>
    /// How long a message may take from its first byte to its last. Default <see cref="Timeout.InfiniteTimeSpan"/>: a server may
    /// tell its client a long story; of a server's connections it is 2 min. Passed: close 1008. The time in which this side does not read counts
    /// for nothing, and the limit does not apply to a message that is read piecewise.
    /// </summary>
    public TimeSpan MessageTimeout { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>The most control frames received in one second; 0 for no limit. Default 200. Passed: close 1008.</summary>
    public int MaxControlFramesPerSecond { get; init; } = 200;

    /// <summary>
    /// The most fragments with fewer than 64 bytes received in one second; 0 for no limit. Default 4,096. Passed: close 1008. A message in
    /// one frame has none, however short it is.
    /// </summary>
    public int MaxSmallFragmentsPerSecond { get; init; } = 4096;

    /// <summary>The most messages received in one second; 0, the default, for no limit. Passed: close 1008.</summary>
    public int MaxMessagesPerSecond { get; init; }

    /// <summary>
    /// How messages are compressed if the peer agrees. Default <see cref="Duologue.Compression.Off"/>. A server accepts what a client offers as far
    /// as this allows; a client offers it. Source: RFC 7692.
    /// </summary>
    public Compression Compression { get; init; } = Compression.Off;

    /// <summary>The clock of all timings. Default the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of its range; the message names the option.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxMessageSize, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxFragments);
        ArgumentOutOfRangeException.ThrowIfLessThan(SendQueueLimit, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxControlFramesPerSecond);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxSmallFragmentsPerSecond);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxMessagesPerSecond);
        ArgumentNullException.ThrowIfNull(Compression);
        ArgumentNullException.ThrowIfNull(TimeProvider);
        CheckTime(KeepAliveInterval, nameof(KeepAliveInterval));
        CheckTime(KeepAliveTimeout, nameof(KeepAliveTimeout));
        CheckTime(CloseTimeout, nameof(CloseTimeout));
        CheckTime(SendTimeout, nameof(SendTimeout));
        CheckTime(MessageTimeout, nameof(MessageTimeout));
    }

    private protected static void CheckTime(TimeSpan value, string name)
    {
        // As a server's options: longer than this no timer of .NET can be set, and clocks overflow far beyond.
        if (value != Timeout.InfiniteTimeSpan && (value <= TimeSpan.Zero || value.TotalMilliseconds > uint.MaxValue - 1))
        {
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be positive and at most 49 days, or Timeout.InfiniteTimeSpan for none.");
        }
    }
}
