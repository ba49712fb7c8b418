using System.Diagnostics;
using System.Globalization;

namespace Duologue.Comparison;

/// <summary>
/// Measures what is missing in the results: the servers of a variant run side by side and are measured in turn, a round of all of them at a time, so
/// that what changes on the machine changes for all.
/// </summary>
internal sealed class Campaign(RunOptions options, IReadOnlyList<ServerKind> servers, Places places, Generator generator, ResultFile results) : IDisposable
{
    private const double LeadIn = 1; // seconds of the load before each measurement
    private const double Overhead = 0.7; // seconds: processes, handshakes
    private const double MemoryCase = 45; // seconds that opening many connections may take beside the waiting

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly List<ServerProcess> _running = [];
    private readonly HashSet<(string Case, string Server)> _failed = [];

    /// <summary>The budget did not suffice: run again to go on.</summary>
    public bool IsCutShort { get; private set; }

    public bool HasFailures => _failed.Count > 0;

    public void Run(IReadOnlyList<BenchCase> cases)
    {
        foreach (var variant in cases.Where(one => !one.IsOfMemory).GroupBy(one => one.Variant))
        {
            RunVariant([.. variant]);
        }

        foreach (BenchCase one in cases.Where(one => one.IsOfMemory))
        {
            for (int round = 1; round <= options.Rounds && !IsCutShort; round++)
            {
                RunMemory(one, round);
            }
        }
    }

    /// <summary>Ends all servers; also from a signal's thread.</summary>
    public void Dispose()
    {
        lock (_running)
        {
            _running.ForEach(server => server.Dispose());
            _running.Clear();
        }
    }

    /// <summary>Servers in the order of a round: another one begins each time, and the direction changes, so that none always follows the same.</summary>
    internal static IEnumerable<T> Order<T>(IReadOnlyList<T> all, int round)
    {
        IEnumerable<T> rotated = Enumerable.Range(0, all.Count).Select(i => all[(i + (round / 2)) % all.Count]);
        return round % 2 == 0 ? rotated.Reverse() : rotated;
    }

    // What all servers do well, and what brings most of their code to its final form; small messages are not compressed.
    private static BenchCase WarmingUp(BenchCase one) =>
        new("warm-up", "", CaseKind.Echo) { Tls = one.Tls, Deflate = one.Deflate, Payload = one.Deflate == "off" ? 20 : 1024 };

    private void RunVariant(IReadOnlyList<BenchCase> cases)
    {
        ServerKind[] needed = [.. servers.Where(server => cases.Any(one => Enumerable.Range(1, options.Rounds).Any(round => IsMissing(one, server, round))))];
        double start = needed.Sum(server => WarmupOf(server) + 1);
        if (needed.Length == 0 || !Affords(start + (needed.Length * (options.Settle + LeadIn + options.Seconds + (2 * Overhead))), "warm up"))
        {
            return;
        }

        List<ServerProcess> running = [];
        foreach (ServerKind kind in needed)
        {
            try
            {
                ServerProcess server = Start(kind, cases[0]);
                double warmup = WarmupOf(kind);
                Say($"{cases[0].Variant}: {kind.Name} warms up for {warmup} s");
                generator.Run(WarmingUp(cases[0]), server, 0, Math.Max(1, warmup));
                running.Add(server);
            }
            catch (RunException exception)
            {
                Fail(cases[0], kind, exception);
            }
        }

        foreach (BenchCase one in cases)
        {
            RunCase(one, running);
        }

        Dispose();
    }

    private void RunCase(BenchCase one, IReadOnlyList<ServerProcess> running)
    {
        HashSet<ServerProcess> settled = [];
        for (int round = 1; round <= options.Rounds && !IsCutShort; round++)
        {
            ServerProcess[] due = [.. Order(running, round).Where(server => IsMissing(one, server.Kind, round))];
            double settling = due.Count(server => !settled.Contains(server)) * (options.Settle + Overhead);
            if (due.Length == 0 || !Affords(settling + (due.Length * (LeadIn + options.Seconds + Overhead)), $"measure round {round} of {one.Name}"))
            {
                continue;
            }

            foreach (ServerProcess server in due.Where(settled.Add))
            {
                Attempt(one, server, () => generator.Run(one, server, 0, Math.Max(0.5, options.Settle)));
            }

            foreach (ServerProcess server in due.Where(server => IsMissing(one, server.Kind, round)))
            {
                Attempt(one, server, () => Keep(one, server, round, generator.Run(one, server, LeadIn, options.Seconds)));
            }
        }
    }

    private void RunMemory(BenchCase one, int round)
    {
        foreach (ServerKind kind in Order(servers, round).Where(server => IsMissing(one, server, round)))
        {
            if (!Affords(options.Settle + Generator.Duration(one, 0) + (one.Connections < 10_000 ? LeadIn : MemoryCase), $"measure round {round} of {one.Name}"))
            {
                return;
            }

            try
            {
                ServerProcess server = Start(kind, one);
                generator.Run(WarmingUp(one), server, 0, Math.Max(1, options.Settle));
                Attempt(one, server, () => Keep(one, server, round, generator.Run(one, server, LeadIn, 0)));
            }
            catch (RunException exception)
            {
                Fail(one, kind, exception);
            }

            Dispose();
        }
    }

    private bool IsMissing(BenchCase one, ServerKind server, int round) =>
        server.Supports(one) && !_failed.Contains((one.Name, server.Name)) && !results.Has(one.Name, server.Name, round);

    private double WarmupOf(ServerKind kind) => Math.Min(kind.Warmup ?? double.MaxValue, options.Warmup);

    private bool Affords(double seconds, string what)
    {
        if (options.Budget is { } budget && _clock.Elapsed.TotalSeconds + seconds > budget)
        {
            if (!IsCutShort)
            {
                Say($"{budget} s do not suffice to {what}; run again to go on");
            }

            IsCutShort = true;
        }

        return !IsCutShort;
    }

    private ServerProcess Start(ServerKind kind, BenchCase one)
    {
        ServerProcess server = ServerProcess.Start(kind, places.VariantOptions(one), places, Cores.IsPinned && !kind.AllCores ? options.ServerCore : null);
        lock (_running)
        {
            _running.Add(server);
        }

        return server;
    }

    private void Attempt(BenchCase one, ServerProcess server, Action action)
    {
        if (_failed.Contains((one.Name, server.Kind.Name)))
        {
            return;
        }

        try
        {
            action();
        }
        catch (RunException exception)
        {
            Fail(one, server.Kind, exception);
        }
    }

    private void Keep(BenchCase one, ServerProcess server, int round, IReadOnlyDictionary<string, double> figures)
    {
        results.Add(new Measurement(one.Name, server.Kind.Name, round, figures));
        string said = figures.TryGetValue(one.Figure, out double value) ? $"{value.ToString("N0", CultureInfo.InvariantCulture)} {one.FigureTitle}" : "no figure";
        string limit = figures.TryGetValue("gen_util", out double busy) && busy > 0.97 ? ", THE GENERATOR IS THE LIMIT" : "";
        Say($"{one.Name}, round {round} of {options.Rounds}, {server.Kind.Name}: {said}{limit}");
    }

    private void Fail(BenchCase one, ServerKind kind, RunException exception)
    {
        _failed.Add((one.Name, kind.Name));
        Say($"{one.Name}, {kind.Name}: {exception.Message}");
    }

    private void Say(string text) => Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"[{_clock.Elapsed.TotalSeconds,5:F0} s] {text}"));
}
