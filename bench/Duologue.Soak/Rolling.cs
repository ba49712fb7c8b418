using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Duologue.Soak;

/// <summary>What a rolling restart came to: connections opened in each second, once all stood.</summary>
internal sealed record RollResult(SoakPlan Plan, int[] PerSecond, int Connections, long Published, long Delivered, TimeSpan[] Stops, IReadOnlyCollection<string> Complaints)
{
    public int Peak => PerSecond.Length == 0 ? 0 : PerSecond.Max();

    public bool IsGood => Complaints.Count == 0;

    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Plan.Clients} clients with {Connections} connections; {Published:N0} published, {Delivered:N0} delivered; nodes stopped within {string.Join(", ", Stops.Select(stop => $"{stop.TotalSeconds:0.0} s"))}");
        text.AppendLine(CultureInfo.InvariantCulture, $"reconnects: {PerSecond.Sum()}, at most {Peak} in a second");
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

    // Longer than clients that were sent away take to come back: what is counted belongs to one node.
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(8);

    private readonly Ledger _ledger = new(plan.Topics);

    public async Task<RollResult> RunAsync(CancellationToken cancellationToken)
    {
        await using Cluster cluster = await Cluster.StartAsync(plan.Balancer, isPersistent: true, ["--drain-window", "5s"], cancellationToken);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        TopicClient publisher = Open(cluster, FeedWays.WebSocket);
        await Task.WhenAll(Enumerable.Range(0, plan.Topics).Select(topic => Publisher.PublishAsync(publisher, topic, 1, _ledger, cancellationToken)));
        Reader[] readers = [.. Enumerable.Range(0, plan.Clients).Select(i => new Reader($"{Ways[i % Ways.Length]} {i}", Open(cluster, Ways[i % Ways.Length]), [i % plan.Topics], _ledger, mayReset: false, over.Token))];
        await CatchUpAsync(readers, cancellationToken);
        using var stop = new CancellationTokenSource();
        Task[] publishing = [.. Enumerable.Range(0, plan.Topics).Select(topic => Publisher.RunAsync(publisher, topic, plan.Rate, _ledger, new Random(plan.Seed + topic), stop.Token, over.Token))];
        await Task.Delay(Calm, cancellationToken);

        int before = cluster.Front.Opened.Count;
        double start = cluster.Front.Now;
        int connections = cluster.Front.Open;
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
            await Task.Delay(Calm, cancellationToken);
        }

        await stop.CancelAsync();
        await Task.WhenAll(publishing);
        await CatchUpAsync(readers, cancellationToken);
        double[] opened = [.. cluster.Front.Opened.Skip(before).Select(at => at - start)];
        int[] perSecond = new int[(int)Math.Ceiling(cluster.Front.Now - start)];
        foreach (double at in opened)
        {
            perSecond[Math.Min(perSecond.Length - 1, (int)at)]++;
        }

        await over.CancelAsync();
        foreach (IAsyncDisposable client in readers.Append<IAsyncDisposable>(publisher))
        {
            await client.DisposeAsync();
        }

        return new RollResult(plan, perSecond, connections, _ledger.Published, _ledger.Delivered, [.. stops], _ledger.Complaints);
    }

    private static TopicClient Open(Cluster cluster, FeedWays ways) => new(new Uri(cluster.Url, "/topics"), new TopicClientOptions { Ways = ways, UpgradeInterval = Timeout.InfiniteTimeSpan });

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
