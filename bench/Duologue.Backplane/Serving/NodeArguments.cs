using System.Globalization;

namespace Duologue.Backplane;

internal enum Engine
{
    SignalR,
    Duologue,
}

/// <summary>What a node of a cluster is.</summary>
/// <param name="Engine">Who carries the messages.</param>
/// <param name="Redis">HOST:PORT of the server that the nodes share.</param>
/// <param name="Port">0 for any that is free.</param>
/// <param name="EventLoop">Duologue's sockets under Kestrel in place of its own.</param>
internal sealed record NodeArguments(Engine Engine, string Redis, int Port, bool EventLoop)
{
    public const string Usage = "signalr|duologue HOST:PORT [--port N] [--event-loop]";

    /// <summary>Null if the arguments make no sense.</summary>
    public static NodeArguments? Parse(ReadOnlySpan<string> args)
    {
        if (args.Length < 2 || !Enum.TryParse(args[0], ignoreCase: true, out Engine engine) || !args[1].Contains(':', StringComparison.Ordinal))
        {
            return null;
        }

        NodeArguments node = new(engine, args[1], Port: 0, EventLoop: false);
        for (int i = 2; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--port" when i + 1 < args.Length && int.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port <= ushort.MaxValue:
                    node = node with { Port = port };
                    i++;
                    break;
                case "--event-loop":
                    node = node with { EventLoop = true };
                    break;
                default:
                    return null;
            }
        }

        return node;
    }

    public IEnumerable<string> ToArguments() =>
    [
        Engine == Engine.SignalR ? "signalr" : "duologue", Redis,
        "--port", Port.ToString(CultureInfo.InvariantCulture),
        .. EventLoop ? ["--event-loop"] : Array.Empty<string>(),
    ];
}
