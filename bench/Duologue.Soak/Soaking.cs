using System.Diagnostics;
using System.Globalization;

namespace Duologue.Soak;

/// <summary>What a run came to.</summary>
internal sealed record SoakResult(SoakPlan Plan, long Published, long Delivered, long Missed, long Doubled, int Resets, int Cuts, IReadOnlyDictionary<FaultKinds, int> Faults, TimeSpan Took, IReadOnlyCollection<string> Complaints)
{
    public bool IsGood => Complaints.Count == 0;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"""
        seed {Plan.Seed}: {Published:N0} published to {Plan.Topics} topics, {Delivered:N0} delivered to {Plan.Clients} clients; {Missed:N0} missed, {Doubled:N0} doubled, {Resets:N0} resets; {Took.TotalSeconds:0} s
        faults: {string.Join(", ", Faults.Where(fault => fault.Value > 0).Select(fault => $"{fault.Key} {fault.Value}"))}; {Cuts:N0} client connections cut
        repeat: {Plan.Command}
        """) + string.Concat(Complaints.Select(complaint => Environment.NewLine + "  wrong: " + complaint));
}

/// <summary>The soak: clients of all ways read numbered messages while nodes, Redis and lines fail.</summary>
internal sealed class Soaking(SoakPlan plan, TextWriter output)
{
    private const int Publishers = 5;

    private static readonly FeedWays[] Ways = [FeedWays.WebSocket, FeedWays.ServerSentEvents, FeedWays.LongPolling, FeedWays.Polling];

    private readonly Ledger _ledger = new(plan.Topics);
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    public async Task<SoakResult> RunAsync(CancellationToken cancellationToken)
    {
        await using Cluster cluster = await Cluster.StartAsync(plan.Balancer, plan.IsPersistent, [], cancellationToken);
        Say($"three nodes, Redis and {Balancer.ProgramOf(plan.Balancer)} are up");
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        TopicClient[] publishers = [.. Enumerable.Range(0, Publishers).Select(i => Open(cluster, i == 0 ? FeedWays.LongPolling : FeedWays.WebSocket))];

        // A topic that nobody has published to may be forgotten with the request that asks for it: each begins with a message.
        await Task.WhenAll(Enumerable.Range(0, plan.Topics).Select(topic => Publisher.PublishAsync(publishers[topic % Publishers], topic, 1, _ledger, cancellationToken)));
        bool mayReset = !plan.IsPersistent;
        Reader[] readers = [.. Enumerable.Range(0, plan.Clients).Select(i => new Reader($"{Ways[i % Ways.Length]} {i}", Open(cluster, Ways[i % Ways.Length]), TopicsOf(i), _ledger, mayReset, over.Token))];
        await CatchUpAsync(readers, cancellationToken);
        Say($"{plan.Clients} clients read");

        var play = new FaultPlay(cluster, plan, Say);
        using (var stop = new CancellationTokenSource(plan.Duration))
        {
            Task[] publishing = [.. Enumerable.Range(0, plan.Topics).Select(topic => Publisher.RunAsync(publishers[topic % Publishers], topic, plan.Rate, _ledger, new Random(plan.Seed + topic), stop.Token, over.Token))];
            Task all = Task.WhenAll([play.RunAsync(stop.Token, cancellationToken), .. publishing]);
            while (await Task.WhenAny(all, Task.Delay(TimeSpan.FromSeconds(5), cancellationToken)) != all)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Say($"{_ledger.Published:N0} published, {_ledger.Delivered:N0} delivered, {_ledger.Resets:N0} resets, {_ledger.Wrong:N0} wrong");
            }

            await all;
        }

        await CatchUpAsync(readers, cancellationToken);
        await over.CancelAsync();
        Say($"all have all; the clients end");
        await Task.WhenAll([.. readers.Select(reader => EndAsync(reader.Name, reader, cancellationToken)), .. publishers.Select(publisher => EndAsync("A publisher", publisher, cancellationToken))]);
        play.BadEnds.ForEach(_ledger.Complain);
        return new SoakResult(plan, _ledger.Published, _ledger.Delivered, _ledger.Missed, _ledger.Doubled, _ledger.Resets, cluster.Front.Cuts, play.Counts, _clock.Elapsed, _ledger.Complaints);
    }

    private async Task EndAsync(string name, IAsyncDisposable client, CancellationToken cancellationToken)
    {
        try
        {
            await client.DisposeAsync().AsTask().WaitAsync(plan.Patience, cancellationToken);
        }
        catch (TimeoutException)
        {
            _ledger.Complain($"{name} does not end.");
        }
    }

    // The first by number, the others spread, so that all topics have readers of all ways.
    private int[] TopicsOf(int client) => [.. Enumerable.Range(0, plan.TopicsOfClient).Select(i => (client + (i * (plan.Topics / 2 + 1))) % plan.Topics).Distinct()];

    private static TopicClient Open(Cluster cluster, FeedWays ways) => new(new Uri(cluster.Url, "/topics"), new TopicClientOptions
    {
        Ways = ways,
        MaxDelay = TimeSpan.FromSeconds(5),
        UpgradeInterval = Timeout.InfiniteTimeSpan,
    });

    // Until every reader has what was published, or it is plain that one never will.
    private async Task CatchUpAsync(Reader[] readers, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        TimeSpan said = TimeSpan.Zero;
        while (readers.Select(reader => reader.Lacks()).OfType<string>().ToArray() is { Length: > 0 } lacking && _ledger.Wrong == 0)
        {
            TimeSpan waited = Stopwatch.GetElapsedTime(start);
            if (waited > plan.Patience)
            {
                Array.ForEach(lacking, _ledger.Complain);
                return;
            }

            if (waited - said > TimeSpan.FromSeconds(5))
            {
                said = waited;
                Say($"{lacking.Length} clients lack something, such as: {lacking[0]}");
            }

            await Task.Delay(100, cancellationToken);
        }
    }

    private void Say(FormattableString what) => Say(what.ToString(CultureInfo.InvariantCulture));

    private void Say(string what)
    {
        lock (output)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_clock.Elapsed.TotalSeconds,6:0.0} s  {what}"));
        }
    }
}
