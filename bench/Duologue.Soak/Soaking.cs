using System.Diagnostics;
using System.Globalization;

namespace Duologue.Soak;

/// <summary>What a run came to.</summary>
internal sealed record SoakResult(SoakPlan Plan, long Published, long Delivered, long Missed, long Doubled, int Resets, int Cuts, int Sessions, long Forwards, IReadOnlyDictionary<FaultKinds, int> Faults, TimeSpan Took, IReadOnlyCollection<string> Complaints)
{
    public bool IsGood => Complaints.Count == 0;

    /// <summary>A line of the table in docs/scale-out.md.</summary>
    public string Row => string.Create(CultureInfo.InvariantCulture, $"| {Plan.Seed} | {Balancer.TitleOf(Plan.Balancer)} | {Published:N0} | {Delivered:N0} | {Faults[FaultKinds.KillNode]} | {Faults[FaultKinds.KillRedis]} | {Faults[FaultKinds.PauseRedis]} | {Faults[FaultKinds.CutLink]} | {Faults[FaultKinds.SlowLink]} | {Cuts:N0} | {Faults[FaultKinds.Roll]} | {Sessions:N0} | {Forwards:N0} | {Missed:N0}, {Doubled:N0}, {Resets:N0} |");

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"""
        seed {Plan.Seed}: {Published:N0} published to {Plan.Topics} topics, {Delivered:N0} delivered to {Plan.Clients} clients; {Missed:N0} missed, {Doubled:N0} doubled, {Resets:N0} resets; {Took.TotalSeconds:0} s
        faults: {string.Join(", ", Faults.Where(fault => fault.Value > 0).Select(fault => $"{fault.Key} {fault.Value}"))}; {Cuts:N0} client connections cut
        {Sessions:N0} Engine.IO sessions opened, at least {Forwards:N0} of their requests and WebSockets forwarded between nodes
        {Row}
        repeat: {Plan.Command}
        """) + string.Concat(Complaints.Select(complaint => Environment.NewLine + "  wrong: " + complaint));
}

/// <summary>The soak: clients of all kinds read numbered messages while nodes, Redis and lines fail.</summary>
internal sealed class Soaking(SoakPlan plan, TextWriter output)
{
    private const int Publishers = 5;

    /// <summary>How many kinds of client there are; the n-th client is of the kind n modulo this.</summary>
    private const int Kinds = 6;

    private static readonly FeedWays[] Ways = [FeedWays.WebSocket, FeedWays.ServerSentEvents, FeedWays.LongPolling, FeedWays.Polling];

    private readonly Ledger _ledger = new(plan.Topics);
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    public async Task<SoakResult> RunAsync(CancellationToken cancellationToken)
    {
        await using Cluster cluster = await Cluster.StartAsync(NodeProcess.WithSessions, plan.Balancer, plan.IsPersistent, [], cancellationToken);
        Say($"three nodes, Redis and {Balancer.ProgramOf(plan.Balancer)} are up");
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        TopicClient[] publishers = [.. Enumerable.Range(0, Publishers).Select(i => Open(cluster, i == 0 ? FeedWays.LongPolling : FeedWays.WebSocket))];

        // A topic that nobody has published to may be forgotten with the request that asks for it: each begins with a message.
        await Task.WhenAll(Enumerable.Range(0, plan.Topics).Select(topic => Publisher.PublishAsync(publishers[topic % Publishers], topic, 1, _ledger, cancellationToken)));
        Reader[] readers = [.. Enumerable.Range(0, plan.Clients).Select(i => OpenReader(cluster, i, over.Token))];
        await CatchUpAsync(readers, cancellationToken);
        using var forwards = new Forwards(cluster.Nodes);
        await forwards.LookAsync(cancellationToken);
        Say($"{plan.Clients} clients read");

        var play = new FaultPlay(cluster, plan, Say);
        using (var stop = new CancellationTokenSource(plan.Duration))
        {
            Task[] publishing = [.. Enumerable.Range(0, plan.Topics).Select(topic => Publisher.RunAsync(publishers[topic % Publishers], topic, plan.Rate, _ledger, new Random(plan.Seed + topic), stop.Token, over.Token))];
            Task all = Task.WhenAll([play.RunAsync(stop.Token, cancellationToken), .. publishing]);
            while (await Task.WhenAny(all, Task.Delay(TimeSpan.FromSeconds(5), cancellationToken)) != all)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await forwards.LookAsync(cancellationToken);
                Say($"{_ledger.Published:N0} published, {_ledger.Delivered:N0} delivered, {_ledger.Resets:N0} resets, {_ledger.Wrong:N0} wrong");
            }

            await all;
        }

        if (!plan.IsPersistent)
        {
            // What came last may have been forgotten after the last publish: that is told by whatever comes behind it.
            await Task.WhenAll(Enumerable.Range(0, plan.Topics).Select(topic => Publisher.PublishAsync(publishers[topic % Publishers], topic, _ledger.LastOf(topic) + 1, _ledger, cancellationToken)));
        }

        await CatchUpAsync(readers, cancellationToken);
        await forwards.LookAsync(cancellationToken);
        await over.CancelAsync();
        Say($"all have all; the clients end");
        await Task.WhenAll([.. readers.Select(reader => EndAsync(reader.Name, reader, cancellationToken)), .. publishers.Select(publisher => EndAsync("A publisher", publisher, cancellationToken))]);
        play.BadEnds.ForEach(_ledger.Complain);
        return new SoakResult(plan, _ledger.Published, _ledger.Delivered, _ledger.Missed, _ledger.Doubled, _ledger.Resets, cluster.Front.Cuts, _ledger.Sessions, forwards.Total, play.Counts, _clock.Elapsed, _ledger.Complaints);
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

    private Reader OpenReader(Cluster cluster, int number, CancellationToken cancellationToken)
    {
        int kind = number % Kinds;
        int[] topics = TopicsOf(number);
        bool mayReset = !plan.IsPersistent;
        return kind < Ways.Length
            ? new FeedReader($"{Ways[kind]} {number}", Open(cluster, Ways[kind]), topics, _ledger, mayReset, cancellationToken)
            : new SessionReader($"{(kind == Kinds - 1 ? "Changing" : "Polled")} session {number}", cluster.Url, kind == Kinds - 1, topics, _ledger, mayReset, cancellationToken);
    }

    // The first by number, the others an odd number further on, as there is an even number of kinds: so all topics have readers of all kinds.
    private int[] TopicsOf(int client) => [.. Enumerable.Range(0, plan.TopicsOfClient).Select(i => (client + (i * (plan.Topics / 2 | 1))) % plan.Topics).Distinct()];

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
