using System.Diagnostics.Metrics;

namespace Duologue.Cli.Talk;

/// <summary>What the talk did not pass on, and why.</summary>
internal enum TalkRefusal
{
    /// <summary>A text or a name with nothing in it.</summary>
    Empty,

    /// <summary><see cref="TalkLimits.Text"/>.</summary>
    TextTooLong,

    /// <summary><see cref="TalkLimits.PerSecond"/> and <see cref="TalkLimits.Burst"/>.</summary>
    TooFast,

    /// <summary><see cref="TalkLimits.Patience"/>: the connection is closed.</summary>
    NeverSlower,

    /// <summary>No event or file of <see cref="TalkProtocol.Name"/>.</summary>
    Malformed,

    /// <summary>Redis, where the talk of several nodes is, is away.</summary>
    Unavailable,
}

/// <summary>Counts and logs what the talk refuses; the tables are in docs/talk.md. Thread-safe.</summary>
internal sealed partial class TalkWatch
{
    public const string MeterName = "Duologue.Cli";

    private readonly Counter<long> _refusals;
    private readonly ILogger _logger;

    public TalkWatch(IMeterFactory meters, ILoggerFactory loggers, TimeProvider timeProvider)
    {
        _refusals = meters.Create(MeterName).CreateCounter<long>("duologue.talk.refusals", "{message}", "What the talk did not pass on.");

        // Peers cause these events: few of them come through, as everywhere.
        _logger = new LimitedLogger(new SteadyLogger(loggers.CreateLogger("Duologue.Cli.Talk")), timeProvider, static _ => { });
    }

    public static string NameOf(TalkRefusal refusal) => refusal switch
    {
        TalkRefusal.Empty => "empty",
        TalkRefusal.TextTooLong => "text_too_long",
        TalkRefusal.TooFast => "too_fast",
        TalkRefusal.NeverSlower => "never_slower",
        TalkRefusal.Malformed => "malformed",
        TalkRefusal.Unavailable => "unavailable",
        _ => throw new ArgumentOutOfRangeException(nameof(refusal), refusal, null),
    };

    /// <summary>Called while a message is handled: what a listener or a sink throws does not come out of it.</summary>
    public void Refused(string connectionId, TalkRefusal refusal)
    {
        string name = NameOf(refusal);
        _refusals.AddSteadily(1, new KeyValuePair<string, object?>("duologue.talk.refusal", name));
        LogRefused(_logger, connectionId, name);
    }

    [LoggerMessage(4000, LogLevel.Information, "Connection {ConnectionId} said what the talk does not pass on: {Refusal}.", EventName = "TalkRefused")]
    private static partial void LogRefused(ILogger logger, string connectionId, string refusal);
}
