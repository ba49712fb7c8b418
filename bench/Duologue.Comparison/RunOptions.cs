using System.Globalization;

namespace Duologue.Comparison;

internal sealed record RunOptions
{
    public const string Usage = """
        usage: bench/run [options]
          --cases PATTERN,...      what is measured, * for anything (*); --list names all
          --servers PATTERN,...    who is measured (uring,epoll,uring-native,epoll-native,kestrel,system,ws,bun and all peers)
          --peer NAME=COMMAND      a server that was built elsewhere; {port} in COMMAND is replaced, {options} at its end if it takes --tls CERTIFICATE.pem KEY.pem and --deflate MODE;
                                   it serves /echo, /fanout and /fanout/publish. Repeatable
          --baseline NAME          whom the others are compared with (the first peer, else system)
          --rounds N               rounds of each case in all, those that results.csv has included (5)
          --seconds S              length of one measurement (3)
          --warmup S               load on a JIT-compiled .NET server before its first measurement (16); others need less
          --settle S               load of the case itself before its first round (2)
          --budget S               stop when the next round would not be done by then; run again to go on (none)
          --out DIR                results.csv, results.md, results.svg (artifacts/bench/run); a file that is there is gone on with
          --server-core N, --generator-core N    where they run (0, 1)
          --no-build               all is built
          --build                  build, measure nothing
          --list                   names of cases and servers
        WSLOAD names an independent generator for echo and fan-out; see bench/README.md.
        """;

    public IReadOnlyList<string> Cases { get; init; } = ["*"];

    /// <summary>Null for the standard ones.</summary>
    public IReadOnlyList<string>? Servers { get; init; }

    public IReadOnlyList<ServerKind> Peers { get; init; } = [];

    public string? Baseline { get; init; }

    public int Rounds { get; init; } = 5;

    public double Seconds { get; init; } = 3;

    public double Warmup { get; init; } = 16;

    public double Settle { get; init; } = 2;

    public double? Budget { get; init; }

    public string? Out { get; init; }

    public int ServerCore { get; init; }

    public int GeneratorCore { get; init; } = 1;

    public bool NoBuild { get; init; }

    public bool BuildOnly { get; init; }

    public bool List { get; init; }

    /// <summary>Null if the arguments make no sense.</summary>
    public static RunOptions? Parse(ReadOnlySpan<string> args)
    {
        RunOptions options = new();
        while (!args.IsEmpty)
        {
            (RunOptions? more, int taken) = options.With(args[0], args.Length > 1 ? args[1] : "");
            if (more is null)
            {
                return null;
            }

            options = more;
            args = args[taken..];
        }

        return options;
    }

    public IReadOnlyList<ServerKind> SelectServers()
    {
        IReadOnlyList<ServerKind> known = Servers is null ? KnownServers.Standard : KnownServers.Select(Servers);
        return [.. known, .. Peers];
    }

    /// <summary>Whom the others are compared with.</summary>
    public string BaselineName => Baseline ?? (Peers.Count > 0 ? Peers[0].Name : "system");

    private (RunOptions? Options, int Taken) With(string name, string value) => name switch
    {
        "--no-build" => (this with { NoBuild = true }, 1),
        "--build" => (this with { BuildOnly = true }, 1),
        "--list" => (this with { List = true }, 1),
        "--cases" when value.Length > 0 => (this with { Cases = value.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries) }, 2),
        "--servers" when value.Length > 0 => (this with { Servers = value.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries) }, 2),
        "--peer" when KnownServers.Parse(value) is { } peer => (this with { Peers = [.. Peers, peer] }, 2),
        "--baseline" when value.Length > 0 => (this with { Baseline = value }, 2),
        "--out" when value.Length > 0 => (this with { Out = value }, 2),
        "--rounds" when TryCount(value, out int rounds) => (this with { Rounds = rounds }, 2),
        "--server-core" when TryCount(value, out int core) => (this with { ServerCore = core }, 2),
        "--generator-core" when TryCount(value, out int core) => (this with { GeneratorCore = core }, 2),
        "--seconds" when TrySeconds(value, out double time) => (this with { Seconds = time }, 2),
        "--warmup" when TrySeconds(value, out double time) => (this with { Warmup = time }, 2),
        "--settle" when TrySeconds(value, out double time) => (this with { Settle = time }, 2),
        "--budget" when TrySeconds(value, out double time) => (this with { Budget = time }, 2),
        _ => (null, 1),
    };

    private static bool TryCount(string text, out int count) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count <= 10_000;

    private static bool TrySeconds(string text, out double seconds) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out seconds) && seconds <= 86_400;
}
