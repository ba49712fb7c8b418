using System.IO.Enumeration;

namespace Duologue.Comparison;

/// <summary>The servers of the repository, and those that come from packages.</summary>
internal static class KnownServers
{
    // What is compiled before it runs, or while it starts, needs no long warming up.
    private const double ShortWarmup = 3;

    /// <summary>Measured if nothing else is said.</summary>
    public static IReadOnlyList<ServerKind> Standard { get; } =
    [
        Dotnet("uring", "duologue --event-loop io_uring"),
        Dotnet("epoll", "duologue --event-loop epoll"),
        Native("uring-native", "duologue --event-loop io_uring"),
        Native("epoll-native", "duologue --event-loop epoll"),
        Dotnet("kestrel", "duologue"),
        Dotnet("system", "system"),
        new("ws", Need.Ws, "node --expose-gc {peers}/ws.js") { Warmup = 2 * ShortWarmup, TakesOptions = true },
        new("bun", Need.Bun, "{bun} {peers}/bun.js") { Warmup = 2 * ShortWarmup, TakesOptions = true, HasWindows = false },
    ];

    /// <summary>Measured if they are named.</summary>
    public static IReadOnlyList<ServerKind> Others { get; } =
    [
        Dotnet("uring-delegate", "duologue --event-loop io_uring --style delegate"),
        Dotnet("epoll-delegate", "duologue --event-loop epoll --style delegate"),
        Dotnet("kestrel-delegate", "duologue --style delegate"),
        Dotnet("kestrel-inline", "duologue --inline"),
        Dotnet("system-inline", "system --inline"),
        Native("kestrel-native", "duologue"),
        Dotnet("uring-1of2", "duologue --event-loop io_uring") with { AllCores = true },
        Dotnet("uring-2", "duologue --event-loop io_uring --loops 2") with { AllCores = true },
        Dotnet("epoll-1of2", "duologue --event-loop epoll") with { AllCores = true },
        Dotnet("epoll-2", "duologue --event-loop epoll --loops 2") with { AllCores = true },
    ];

    /// <param name="patterns">Names, * for anything.</param>
    public static IReadOnlyList<ServerKind> Select(IEnumerable<string> patterns) =>
        [.. Standard.Concat(Others).Where(server => patterns.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, server.Name)))];

    /// <summary>A server that was built elsewhere: <c>NAME=COMMAND</c>. Null if it is no such thing.</summary>
    public static ServerKind? Parse(string peer)
    {
        int sign = peer.IndexOf('=', StringComparison.Ordinal);
        string command = peer[(sign + 1)..].Trim();
        return sign < 1 || !command.Contains("{port}", StringComparison.Ordinal)
            ? null
            : new ServerKind(peer[..sign], Need.Nothing, command.Replace("{options}", "", StringComparison.Ordinal).TrimEnd())
            {
                Warmup = ShortWarmup,
                TakesOptions = command.EndsWith("{options}", StringComparison.Ordinal),
            };
    }

    private static ServerKind Dotnet(string name, string arguments) =>
        new(name, Need.Server, "dotnet {server} " + arguments) { TakesOptions = true };

    private static ServerKind Native(string name, string arguments) =>
        new(name, Need.NativeServer, "{native} " + arguments) { TakesOptions = true, Warmup = ShortWarmup };
}
