using System.Diagnostics;
using System.Globalization;
using Duologue.Cli.Compare.Clients;
using Duologue.Cli.Compare.Server;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Compare;

/// <summary>Measures the ways, one after another, against one server process.</summary>
internal sealed class Comparison(ComparePlan plan, ServerProcess server, ICompareProgress progress)
{
    private const int WarmingClients = 30;
    private const int WarmingRate = 200;
    private const int WarmingMessages = 100;
    private const int WarmingRounds = 2;

    // What is later than this, beyond the interval of polling, is lost.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // Held requests give no sign that they are held, and closed connections none that the server has let go.
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(400);

    private static readonly double[] Shares = [.. Enumerable.Range(0, 50).Select(i => i / 50.0).Append(0.99).Append(0.995).Append(0.999).Append(1)];

    private readonly List<Measurement> _ways = [];
    private readonly List<Measurement> _otherRates = [];
    private readonly List<Measurement> _smallerCrowds = [];
    private int _topics;

    /// <summary>What is measured so far: all, once <see cref="RunAsync"/> is done.</summary>
    public CompareResult GetResult(DateTimeOffset began, bool wasInterrupted) =>
        new(began, MachineInfo.Get(), new(plan.Clients, plan.Rate, plan.Interval.TotalSeconds, plan.Duration.TotalSeconds, plan.EventLoop), wasInterrupted, _ways, _otherRates, _smallerCrowds);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        progress.Begin("Warming up: the first requests of each way compile what the others use");
        for (int round = 0; round < WarmingRounds; round++)
        {
            foreach (Way way in Ways.All)
            {
                await WarmAsync(way, cancellationToken).ConfigureAwait(false);
            }

            // The runtime compiles anew what was called often once it has a moment's rest.
            await Task.Delay(Settling, cancellationToken).ConfigureAwait(false);
        }

        foreach (Way way in Ways.All)
        {
            await MeasureAsync(way, cancellationToken).ConfigureAwait(false);
        }

        foreach (int clients in plan.SmallerCrowds)
        {
            foreach (Way way in Ways.All)
            {
                await using Crowd crowd = await GatherAsync(way, clients, plan.Interval, cancellationToken).ConfigureAwait(false);
                Measurement measured = await MeasureSpanAsync(crowd, 0, plan.SmallerCrowdSpan, cancellationToken).ConfigureAwait(false);
                _smallerCrowds.Add(measured);
                progress.Measured(measured);
            }
        }
    }

    private async Task WarmAsync(Way way, CancellationToken cancellationToken)
    {
        await using Crowd crowd = await GatherAsync(way, Math.Min(WarmingClients, plan.Clients), TimeSpan.FromMilliseconds(50), cancellationToken).ConfigureAwait(false);
        using Publisher publisher = PublisherFor(crowd);
        await publisher.RunAsync(0, WarmingRate, WarmingMessages, cancellationToken).ConfigureAwait(false);
        await WaitForAllAsync(crowd, 0, cancellationToken).ConfigureAwait(false);
    }

    private async Task MeasureAsync(Way way, CancellationToken cancellationToken)
    {
        progress.Begin($"{way.Title()}: connecting {Plural.Of(plan.Clients, "client")}");
        await Task.Delay(Settling, cancellationToken).ConfigureAwait(false);
        ServerUsage before = await server.CollectAsync(cancellationToken).ConfigureAwait(false);
        await using Crowd crowd = await GatherAsync(way, plan.Clients, plan.Interval, cancellationToken).ConfigureAwait(false);
        progress.Begin($"{way.Title()}: waiting without a message");
        Waiting waiting = await MeasureWaitingAsync(crowd, before, cancellationToken).ConfigureAwait(false);
        for (int i = 0; i < plan.Spans.Count; i++)
        {
            Measurement measured = await MeasureSpanAsync(crowd, i, plan.Spans[i], cancellationToken).ConfigureAwait(false);
            measured = i == 0 ? measured with { Waiting = waiting } : measured;
            (i == 0 ? _ways : _otherRates).Add(measured);
            progress.Measured(measured);
        }
    }

    private async Task<Crowd> GatherAsync(Way way, int clients, TimeSpan interval, CancellationToken cancellationToken)
    {
        string topic = string.Create(CultureInfo.InvariantCulture, $"compare/{++_topics}");
        var ledger = new Ledger(clients);
        string after;
        using (var publisher = new Publisher(server.Address, topic, ledger))
        {
            after = await publisher.BeginAsync(cancellationToken).ConfigureAwait(false);
        }

        var crowd = new Crowd(way, clients, new WaiterContext(server.Address, topic, after, interval, new Traffic(), ledger));
        try
        {
            await crowd.StartAsync(cancellationToken).ConfigureAwait(false);
            await crowd.GuardAsync(Task.Delay(Settling, cancellationToken), cancellationToken).ConfigureAwait(false);
            return crowd;
        }
        catch
        {
            await crowd.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task<Waiting> MeasureWaitingAsync(Crowd crowd, ServerUsage before, CancellationToken cancellationToken)
    {
        Traffic traffic = crowd.Context.Traffic;
        ServerUsage memory = await server.CollectAsync(cancellationToken).ConfigureAwait(false);
        ServerUsage start = await server.GetUsageAsync(cancellationToken).ConfigureAwait(false);
        TrafficCount startTraffic = traffic.Count();
        long began = Stopwatch.GetTimestamp();
        await crowd.GuardAsync(Task.Delay(plan.IdleTime, cancellationToken), cancellationToken).ConfigureAwait(false);
        ServerUsage end = await server.GetUsageAsync(cancellationToken).ConfigureAwait(false);
        TrafficCount passed = traffic.Count() - startTraffic;
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        return new Waiting(
            (end.Cpu - start.Cpu).TotalSeconds / seconds * 100, passed.Requests / seconds, passed.Bytes / seconds, traffic.Open,
            (memory.Heap - before.Heap) / (double)crowd.Size, (memory.Resident - before.Resident) / (double)crowd.Size);
    }

    private async Task<Measurement> MeasureSpanAsync(Crowd crowd, int window, ComparePlan.Span span, CancellationToken cancellationToken)
    {
        progress.Begin($"{crowd.Way.Title()}: {Plural.Of(crowd.Size, "client")}, {Figure.Rate(span.Rate)}, {Figure.Number(span.Messages)} in all");
        using Publisher publisher = PublisherFor(crowd);
        Ledger.Window found = crowd.Context.Ledger[window];

        // Pollers get a message within an interval, and pay all the time: theirs is the cost of a span within steady news. What is pushed is paid for when it has arrived.
        bool isPolling = crowd.Way == Way.Polling;
        int lead = isPolling ? (int)Math.Ceiling(span.Rate * crowd.Context.Interval.TotalSeconds) : 0;
        Task publishing = publisher.RunAsync(window, span.Rate, lead + span.Messages, cancellationToken);
        await crowd.GuardAsync(Task.Delay(TimeSpan.FromSeconds(lead / span.Rate), cancellationToken), cancellationToken).ConfigureAwait(false);
        ServerUsage start = await server.GetUsageAsync(cancellationToken).ConfigureAwait(false);
        (TrafficCount startTraffic, long startDelivered) = (crowd.Context.Traffic.Count(), isPolling ? found.Delivered : 0);
        await crowd.GuardAsync(publishing, cancellationToken).ConfigureAwait(false);
        Task all = WaitForAllAsync(crowd, window, cancellationToken);
        if (!isPolling)
        {
            await all.ConfigureAwait(false);
        }

        ServerUsage end = await server.GetUsageAsync(cancellationToken).ConfigureAwait(false);
        TrafficCount passed = crowd.Context.Traffic.Count() - startTraffic;
        double delivered = Math.Max(1, found.Delivered - startDelivered);
        await all.ConfigureAwait(false);
        return new Measurement(crowd.Way, crowd.Size, span.Rate)
        {
            Published = found.Published,
            Delivered = found.Delivered,
            Lost = found.Lost,
            Duplicated = found.Duplicated,
            Delay = new(found.Delays.Percentile(0.5), found.Delays.Percentile(0.99), found.Delays.MaxMilliseconds, [.. Shares.Select(share => new DelayShare(share, found.Delays.Percentile(share)))]),
            RequestsPerMessage = passed.Requests / delivered,
            BytesPerMessage = passed.Bytes / delivered,
            CpuMicrosecondsPerMessage = (end.Cpu - start.Cpu).TotalMicroseconds / delivered,
        };
    }

    private static async Task WaitForAllAsync(Crowd crowd, int window, CancellationToken cancellationToken)
    {
        Ledger ledger = crowd.Context.Ledger;
        long start = Stopwatch.GetTimestamp();
        while (!ledger.IsComplete())
        {
            if (Stopwatch.GetElapsedTime(start) > Patience + crowd.Context.Interval)
            {
                ledger.WriteOff(window);
                return;
            }

            await crowd.GuardAsync(Task.Delay(5, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
    }

    private Publisher PublisherFor(Crowd crowd) => new(server.Address, crowd.Context.Topic, crowd.Context.Ledger);
}
