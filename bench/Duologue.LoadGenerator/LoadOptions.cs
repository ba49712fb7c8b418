using System.Globalization;
using System.Net;

namespace Duologue.LoadGenerator;

internal enum LoadMode
{
    /// <summary>As many messages in flight per connection as <see cref="LoadOptions.Depth"/> says; the next go when all are back.</summary>
    Echo,

    /// <summary>Messages at fixed times, whatever the server does.</summary>
    OpenLoop,

    /// <summary>One publishes, all others receive.</summary>
    FanOut,

    /// <summary>Memory per connection at rest.</summary>
    Idle,

    /// <summary>Memory that stays when a crowd has come and gone.</summary>
    Burst,

    /// <summary>Connections from nothing to their first echo.</summary>
    Connect,
}

/// <summary>A load on loopback, bounded in number and time. The positional arguments and most options are also those of other generators.</summary>
internal sealed record LoadOptions
{
    public const string Usage = """
        usage: Duologue.LoadGenerator HOST PORT PATH CONNECTIONS PAYLOAD DEPTH SECONDS [options]
          (nothing)           echo: DEPTH messages in flight per connection
          --rate M            echo at M messages a second in all, open loop; latency counts from when a message should have been sent
          --broadcast         CONNECTIONS receive at PATH what one publishes at --pubpath; DEPTH messages in flight
          --idle [--from A]   memory per connection from A (a third) to CONNECTIONS, each after DEPTH messages, SECONDS after the last
          --burst             memory before CONNECTIONS come, and SECONDS after they have gone
          --connect           connections per second and CPU of each until its first echo; CONNECTIONS at a time, DEPTH of them opening at once
          --text              text instead of binary
          --deflate MODE      off, shared, dedicated, dedicated:BITS: compressed JSON
          --tls               TLS, any certificate
          --pid P             the server's process
          --warmup S          before measuring (1)
          --collect PATH      asked for by GET before memory is read: the server is to collect its garbage
          --jsonout           one line of JSON
        """;

    private const int MaxConnections = 100_000;
    private const int MaxPayload = 16 * 1024 * 1024;
    private const int MaxSeconds = 600;

    public required IPAddress Host { get; init; }

    public required int Port { get; init; }

    public required string Path { get; init; }

    public required int Connections { get; init; }

    /// <summary>Bytes per message.</summary>
    public required int Payload { get; init; }

    public required int Depth { get; init; }

    public required TimeSpan Duration { get; init; }

    public LoadMode Mode { get; init; }

    public TimeSpan Warmup { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The server's, to count its CPU time and memory; 0 for none.</summary>
    public int ProcessId { get; init; }

    public bool Json { get; init; }

    public bool Text { get; init; }

    public bool Tls { get; init; }

    /// <summary>Messages a second, over all connections.</summary>
    public double Rate { get; init; }

    public string? PublishPath { get; init; }

    public int? From { get; init; }

    public string? Collect { get; init; }

    /// <summary>
    /// From when, after the load has begun to open connections, pings of the server may be among what comes. Not on the command line: less than
    /// any server waits.
    /// </summary>
    public TimeSpan PingsFrom { get; init; } = TimeSpan.FromSeconds(8);

    /// <summary>The subprotocol to ask for; null for none. Not on the command line: who speaks one drives the links itself.</summary>
    public string? Subprotocol { get; init; }

    /// <summary>What to offer about compression, as a header's value; then the payload is JSON and is sent compressed. Null for nothing.</summary>
    public string? Offer { get; init; }

    /// <summary>Null if the arguments make no sense.</summary>
    public static LoadOptions? Parse(ReadOnlySpan<string> args)
    {
        if (args.Length < 7
            || !IPAddress.TryParse(args[0], out IPAddress? host) || !IPAddress.IsLoopback(host) || host.AddressFamily != System.Net.Sockets.AddressFamily.InterNetwork
            || !TryCount(args[1], 1, ushort.MaxValue, out int port)
            || !TryCount(args[3], 1, MaxConnections, out int connections)
            || !TryCount(args[4], 0, MaxPayload, out int payload)
            || !TryCount(args[5], 1, MaxConnections, out int depth)
            || !TrySeconds(args[6], out TimeSpan duration))
        {
            return null;
        }

        LoadOptions options = new() { Host = host, Port = port, Path = args[2], Connections = connections, Payload = payload, Depth = depth, Duration = duration };
        for (ReadOnlySpan<string> rest = args[7..]; !rest.IsEmpty;)
        {
            (LoadOptions? more, int taken) = options.With(rest[0], rest.Length > 1 ? rest[1] : "");
            if (more is null)
            {
                return null;
            }

            options = more;
            rest = rest[taken..];
        }

        return options;
    }

    private (LoadOptions? Options, int Taken) With(string name, string value) => name switch
    {
        "--text" => (this with { Text = true }, 1),
        "--tls" => (this with { Tls = true }, 1),
        "--jsonout" => (this with { Json = true }, 1),
        "--broadcast" => (this with { Mode = LoadMode.FanOut }, 1),
        "--idle" => (this with { Mode = LoadMode.Idle }, 1),
        "--burst" => (this with { Mode = LoadMode.Burst }, 1),
        "--connect" => (this with { Mode = LoadMode.Connect }, 1),
        "--pubpath" when value.StartsWith('/') => (this with { PublishPath = value }, 2),
        "--collect" when value.StartsWith('/') => (this with { Collect = value }, 2),
        "--pid" when TryCount(value, 1, int.MaxValue, out int process) => (this with { ProcessId = process }, 2),
        "--from" when TryCount(value, 1, Connections - 1, out int from) => (this with { From = from }, 2),
        "--warmup" when TrySeconds(value, out TimeSpan time) => (this with { Warmup = time }, 2),
        "--rate" when TryCount(value, 1, 10_000_000, out int rate) => (this with { Rate = rate, Mode = LoadMode.OpenLoop }, 2),
        "--deflate" when TryOffer(value, out string? offer) => (this with { Offer = offer }, 2),
        _ => (null, 1),
    };

    /// <summary>off, shared, dedicated, dedicated:12.</summary>
    private static bool TryOffer(string mode, out string? offer)
    {
        offer = mode.Split(':') switch
        {
            ["shared"] => "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            ["dedicated"] => "permessage-deflate",
            ["dedicated", var bits] when TryCount(bits, 9, 15, out _) => $"permessage-deflate; server_max_window_bits={bits}; client_max_window_bits={bits}",
            _ => null,
        };
        return offer is not null || mode == "off";
    }

    private static bool TryCount(string text, int least, int most, out int count) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count >= least && count <= most;

    private static bool TrySeconds(string text, out TimeSpan time)
    {
        bool valid = double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && seconds <= MaxSeconds;
        time = valid ? TimeSpan.FromSeconds(seconds) : default;
        return valid;
    }
}
