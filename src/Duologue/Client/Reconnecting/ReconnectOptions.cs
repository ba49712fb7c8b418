namespace Duologue;

/// <summary>How a client that comes back connects, waits and gives up. Immutable; vary with <c>with</c>.</summary>
public record ReconnectOptions
{
    /// <summary>How each connection is opened, and its limits and timings; also the clock and the loggers of the client itself.</summary>
    public ConnectOptions Connect { get; init; } = new();

    /// <summary>
    /// Is asked before each attempt how to connect, for what does not stay the same, such as a token in <see cref="ConnectOptions.Headers"/>. Default null: as
    /// <see cref="Connect"/> says. What it throws counts as an attempt that failed. Where the client uses plain requests, only the headers are heeded.
    /// </summary>
    public Func<ConnectOptions, CancellationToken, ValueTask<ConnectOptions>>? BeforeConnect { get; init; }

    /// <summary>
    /// The most to wait before the first attempt to come back; doubled with each that fails. The wait is a random part of it ("full jitter"), so that those who were cut
    /// together do not come back together. Default 500 ms; positive.
    /// </summary>
    public TimeSpan InitialDelay { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The most to wait before any attempt. Default 30 s; at least <see cref="InitialDelay"/>, at most a day.</summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The time over which clients spread that a server has sent away, all of its own at once (1001, 1012, 1013): the first wait is a random part of it. Default 5 s; 0 for
    /// <see cref="InitialDelay"/>, at most a day.
    /// </summary>
    public TimeSpan Spread { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The longest <c>Retry-After</c> that is heeded; a longer one is cut to it. Default 5 min; 0 to a day.
    /// </summary>
    public TimeSpan MaxRetryAfter { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How many attempts in a row may fail before the client gives up. One that opened has not failed, however soon the conversation ended: it only lengthens the next wait. Of a <see cref="TopicClient"/> one has
    /// that was cut before anything had come. Default 0: it never does.
    /// </summary>
    public int MaxAttempts { get; init; }

    /// <summary>
    /// How many refusals in a row (an HTTP status below 500, but for 408, 425 and 429; or an answer that is no handshake) end the client. Default 3; at least 1. A server says
    /// the same again to who asks the same again, but for moments such as a rollout's.
    /// </summary>
    public int MaxRefusals { get; init; } = 3;

    /// <summary>What decides about waits; a test's own where they are the subject.</summary>
    internal Random Random { get; init; } = Random.Shared;

    /// <summary>How to connect this time.</summary>
    /// <exception cref="HandshakeException"><see cref="BeforeConnect"/> threw what an option that cannot be used would: that would be the end, and this is an attempt that failed.</exception>
    internal async ValueTask<ConnectOptions> PrepareAsync(CancellationToken cancellationToken)
    {
        if (BeforeConnect is null)
        {
            return Connect;
        }

        try
        {
            return await BeforeConnect(Connect, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ArgumentException or ObjectDisposedException)
        {
            throw new HandshakeException($"BeforeConnect failed: {e.Message}", e) { Failure = Client.ConnectFailure.Application };
        }
    }

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">A value cannot be used; the message names the option.</exception>
    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Connect);
        Connect.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(InitialDelay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxDelay, InitialDelay);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxDelay, TimeSpan.FromDays(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(Spread, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Spread, TimeSpan.FromDays(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxRetryAfter, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxRetryAfter, TimeSpan.FromDays(1));
        ArgumentOutOfRangeException.ThrowIfNegative(MaxAttempts);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxRefusals, 1);
    }
}
