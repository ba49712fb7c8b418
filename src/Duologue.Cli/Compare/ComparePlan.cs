namespace Duologue.Cli.Compare;

/// <summary>What is to be measured, and how long that takes.</summary>
/// <param name="Clients">How many clients wait.</param>
/// <param name="Rate">Messages per second.</param>
/// <param name="Interval">What an AJAX poller waits between two questions.</param>
/// <param name="Duration">How long messages are published at that rate.</param>
/// <param name="IsFull">Whether other rates and numbers of clients are measured as well.</param>
/// <param name="EventLoop">What carries the server's connections.</param>
internal sealed record ComparePlan(int Clients, double Rate, TimeSpan Interval, TimeSpan Duration, bool IsFull, string EventLoop)
{
    // Other rates are shown by fewer messages, but by more than one.
    private const double ShortShare = 0.3;
    private const int LeastMessages = 2;

    // For the estimate: what it took here to connect a client, and to start, collect and close.
    private static readonly TimeSpan Warming = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan PerClient = TimeSpan.FromMilliseconds(0.5);
    private static readonly TimeSpan PerWay = TimeSpan.FromSeconds(1.2);

    private static readonly double[] RateFactors = [0.5, 4, 16];
    private static readonly double[] ClientShares = [0.25, 0.5];

    /// <summary>How long the clients wait without a message.</summary>
    public TimeSpan IdleTime => TimeSpan.FromTicks(Math.Max(Duration.Ticks / 3, TimeSpan.TicksPerSecond / 2));

    /// <summary>The rate asked for, and then the others.</summary>
    public IReadOnlyList<Span> Spans =>
    [
        new(Rate, Math.Max(1, (int)Math.Round(Rate * Duration.TotalSeconds))),
        .. IsFull ? RateFactors.Select(factor => Short(Rate * factor)) : [],
    ];

    /// <summary>The smaller numbers of clients to measure, each at the rate asked for.</summary>
    public IReadOnlyList<int> SmallerCrowds => IsFull ? [.. ClientShares.Select(share => (int)(Clients * share)).Where(count => count > 0).Distinct()] : [];

    public Span SmallerCrowdSpan => Short(Rate);

    /// <summary>So long will it take, if the machine keeps up.</summary>
    public TimeSpan Estimate
    {
        get
        {
            TimeSpan spans = Spans.Aggregate(TimeSpan.Zero, (sum, span) => sum + span.Time);
            TimeSpan each = PerWay + (PerClient * Clients) + IdleTime + spans;
            TimeSpan smaller = SmallerCrowds.Aggregate(TimeSpan.Zero, (sum, count) => sum + PerWay + (PerClient * count) + SmallerCrowdSpan.Time);

            // Pollers begin within one interval; a span begins one early, and its last message is fetched within another.
            TimeSpan polling = Interval * (1 + (2 * Spans.Count) + (3 * SmallerCrowds.Count));
            return Warming + ((each + smaller) * Ways.All.Count) + polling;
        }
    }

    /// <summary>The file descriptors that this process and the server need, each.</summary>
    public int Descriptors => Clients + 300;

    private Span Short(double rate) => new(rate, Math.Max(LeastMessages, (int)Math.Round(rate * Duration.TotalSeconds * ShortShare)));

    /// <summary>A span of time with a steady rate.</summary>
    internal readonly record struct Span(double Rate, int Messages)
    {
        public TimeSpan Time => TimeSpan.FromSeconds(Messages / Rate);
    }
}
