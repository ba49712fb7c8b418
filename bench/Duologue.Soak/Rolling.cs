using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Duologue.Soak;

/// <summary>What a rolling restart came to: clients that came back, and TCP connections that were opened, in each second, once all stood.</summary>
/// <remarks>
/// What is bounded is when clients meant to come back, when they were sent away: on a machine that stands still for a moment, what was meant for several seconds happens in one.
/// </remarks>
internal sealed record RollResult(SoakPlan Plan, int[] PerSecond, int[] MeantPerSecond, int Opened, long Published, long Delivered, TimeSpan[] Stops, IReadOnlyCollection<string> Complaints)
{
    public int Peak => PerSecond.DefaultIfEmpty().Max();

    public int MeantPeak => MeantPerSecond.DefaultIfEmpty().Max();

    public bool IsGood => Complaints.Count == 0;

    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Plan.Clients} clients; {Published:N0} published, {Delivered:N0} delivered; nodes stopped within {string.Join(", ", Stops.Select(stop => $"{stop.TotalSeconds:0.0} s"))}");
        text.AppendLine(CultureInfo.InvariantCulture, $"clients came back {PerSecond.Sum()} times, at most {Peak} in a second, and meant to come at most {MeantPeak} in a second; {Opened} TCP connections were opened");
        for (int second = 0; second < PerSecond.Length; second++)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"{second,4} s {PerSecond[second],4} {new string('#', (PerSecond[second] + 1) / 2)}");
        }

        foreach (string complaint in Complaints)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  wrong: {complaint}");
        }

        return text.ToString();
    }
}

/// <summary>Restarts all nodes by SIGTERM, one after the other, under load, and records when clients come back.</summary>
internal sealed class Rolling(SoakPlan plan, TextWriter output)
{
    private static readonly FeedWays[] Ways = [FeedWays.WebSocket, FeedWays.WebSocket, FeedWays.WebSocket, FeedWays.ServerSentEvents, FeedWays.LongPolling];

    private readonly Ledger _ledger = new(plan.Topics);
    private readonly ConcurrentQueue<double> _returns = new();
    private readonly ConcurrentQueue<double> _meant = new();
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    public async Task<RollResult> RunAsync(CancellationToken cancellationToken)
    {
        await using Cluster cluster = await Cluster.StartAsync(plan.Balancer, isPersistent: true, ["--drain-window", "5s"], cancellationToken);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        TopicClient publisher = Open(cluster, FeedWays.WebSocket);
        await Task.WhenAll(Enumerable.Range(0, plan.Topics).Select(topic => Publisher.PublishAsync(publisher, topic, 1, _ledger, cancellationToken)));
        Reader[] readers = [.. Enumerable.Range(0, plan.Clients).Select(i => new FeedReader($"{Ways[i % Ways.Length]} {i}", Open(cluster, Ways[i % Ways.Length]), [i % plan.Topics], _ledger, mayReset: false, over.Token))];
        await CatchUpAsync(readers, cancellationToken);
        using var stop = new CancellationTokenSource();
        Task[] publishing = [.. Enumerable.Range(0, plan.Topics).Select(topic => Publisher.RunAsync(publisher, topic, plan.Rate, _ledger, new Random(plan.Seed + topic), stop.Token, over.Token))];
        await Task.Delay(plan.Calm, cancellationToken);

        int before = cluster.Front.Opened;
        double start = _clock.Elapsed.TotalSeconds;
        var stops = new List<TimeSpan>();
        foreach (NodeProcess node in cluster.Nodes)
        {
            output.WriteLine($"SIGTERM to node {node.Name}");
            if (await node.TerminateAsync(cancellationToken) is not 0 and int code)
            {
                _ledger.Complain(string.Create(CultureInfo.InvariantCulture, $"Node {node.Name} ended with {code} on SIGTERM: {node.Said}"));
            }

            stops.Add(node.LastStop);
            await node.RestartAsync(cancellationToken);
            await Task.Delay(plan.Calm, cancellationToken);
        }

        await stop.CancelAsync();
        await Task.WhenAll(publishing);
        await CatchUpAsync(readers, cancellationToken);
        int opened = cluster.Front.Opened - before;
        int[] perSecond = PerSecond(_returns, start);
        int[] meant = PerSecond(_meant, start);
        await over.CancelAsync();
        foreach (IAsyncDisposable client in readers.Append<IAsyncDisposable>(publisher))
        {
            await client.DisposeAsync();
        }

        return new RollResult(plan, perSecond, meant, opened, _ledger.Published, _ledger.Delivered, [.. stops], _ledger.Complaints);
    }

    private static int[] PerSecond(IEnumerable<double> times, double start)
    {
        int[] seconds = [.. times.Where(at => at >= start).Select(at => (int)(at - start))];
        int[] counts = new int[seconds.DefaultIfEmpty(-1).Max() + 1];
        Array.ForEach(seconds, second => counts[second]++);
        return counts;
    }

    // As it comes, but for its ways: it is the client's own waits that are shown.
    private TopicClient Open(Cluster cluster, FeedWays ways)
    {
        var client = new TopicClient(new Uri(cluster.Url, "/topics"), new TopicClientOptions { Ways = ways, UpgradeInterval = Timeout.InfiniteTimeSpan });
        bool isAway = false;
        client.StateChanged += (_, e) =>
        {
            if (e.State == ClientState.Open && isAway)
            {
                _returns.Enqueue(_clock.Elapsed.TotalSeconds);
            }

            if (e.State == ClientState.Waiting)
            {
                _meant.Enqueue((_clock.Elapsed + e.Delay).TotalSeconds);
            }

            isAway = e.State != ClientState.Open && (isAway || e.State == ClientState.Waiting);
        };
        return client;
    }

    private async Task CatchUpAsync(Reader[] readers, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        while (_ledger.Wrong == 0 && readers.Select(reader => reader.Lacks()).OfType<string>().ToArray() is { Length: > 0 } lacking)
        {
            if (Stopwatch.GetElapsedTime(start) > plan.Patience)
            {
                Array.ForEach(lacking, _ledger.Complain);
                return;
            }

            await Task.Delay(100, cancellationToken);
        }
    }
}
