namespace Duologue.Comparison;

internal enum CaseKind
{
    Echo,
    OpenLoop,
    FanOut,
    Connect,

    /// <summary>Memory per connection at rest.</summary>
    Idle,

    /// <summary>Memory that stays when a crowd has gone.</summary>
    Burst,
}

/// <summary>One row of the comparison: a load that every server gets.</summary>
internal sealed record BenchCase(string Name, string Title, CaseKind Kind)
{
    public int Connections { get; init; } = 64;

    /// <summary>Bytes per message.</summary>
    public int Payload { get; init; } = 20;

    /// <summary>Messages in flight; for connecting, how many open at once; at rest, how many messages each connection had before.</summary>
    public int Depth { get; init; } = 1;

    public bool Text { get; init; }

    /// <summary>Messages a second, for an open loop.</summary>
    public int Rate { get; init; }

    /// <summary>Where the slope of memory begins.</summary>
    public int From { get; init; }

    public bool Tls { get; init; }

    /// <summary>How messages are compressed, as the servers' option says it.</summary>
    public string Deflate { get; init; } = "off";

    /// <summary>Servers are started with this; those of one variant serve all its cases.</summary>
    public string Variant => Tls ? "TLS" : Deflate == "off" ? "plain" : $"deflate {Deflate}";

    /// <summary>Each round has a server of its own, for its memory is the figure.</summary>
    public bool IsOfMemory => Kind is CaseKind.Idle or CaseKind.Burst;

    /// <summary>The figure that servers are compared by; less is better.</summary>
    public string Figure => Kind switch
    {
        CaseKind.Idle => "rss_slope",
        CaseKind.Burst => "left_kb",
        _ => "cpu_ns",
    };

    public string FigureTitle => Kind switch
    {
        CaseKind.Idle => "bytes of memory per connection",
        CaseKind.Burst => "KiB of memory left",
        CaseKind.Connect => "ns of server CPU per connection",
        CaseKind.FanOut => "ns of server CPU per delivery",
        _ => "ns of server CPU per message",
    };
}
