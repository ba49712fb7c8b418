namespace Duologue.Faults;

/// <summary>How large a run is, and the limits of its server: shorter than the defaults, so that nobody waits minutes for a timeout.</summary>
internal sealed record Plan
{
    /// <summary>The run of docs/reliability.md.</summary>
    public static Plan Full { get; } = new()
    {
        Name = "full",
        Crowd = 1_000,
        Scale = 1,
        Quiet = TimeSpan.FromSeconds(10),
        Connects = 200_000,
        Patience = TimeSpan.FromSeconds(120),
        Silence = TimeSpan.FromSeconds(5),
        Stall = TimeSpan.FromSeconds(3),
        ConnectionsPerAddress = 1_500,
        HandshakesPerSecondPerAddress = 500,
    };

    /// <summary>A few seconds: what the tests run.</summary>
    public static Plan Small { get; } = new()
    {
        Name = "small",
        Crowd = 40,
        Scale = 0.04,
        Quiet = TimeSpan.FromSeconds(1),
        Connects = 1_000,
        Patience = TimeSpan.FromSeconds(60),
        Silence = TimeSpan.FromSeconds(1),
        Stall = TimeSpan.FromSeconds(1),
        ConnectionsPerAddress = 60,
        HandshakesPerSecondPerAddress = 50,
    };

    public required string Name { get; init; }

    /// <summary>How many well-behaved connections talk all the while.</summary>
    public required int Crowd { get; init; }

    /// <summary>What part of the full number of tries is made.</summary>
    public required double Scale { get; init; }

    /// <summary>How long the crowd is measured without an attack.</summary>
    public required TimeSpan Quiet { get; init; }

    /// <summary>How many connects the slope of the memory is taken over.</summary>
    public required int Connects { get; init; }

    /// <summary>How long a try, and the server's count of it, may take.</summary>
    public required TimeSpan Patience { get; init; }

    /// <summary>The keep-alive interval and timeout of the attacked endpoints, and Kestrel's timeouts of a request.</summary>
    public required TimeSpan Silence { get; init; }

    /// <summary>The server's send timeout and message timeout, for the victims of slow peers.</summary>
    public required TimeSpan Stall { get; init; }

    public required int ConnectionsPerAddress { get; init; }

    public required int HandshakesPerSecondPerAddress { get; init; }

    public int MessagesPerSecond { get; init; } = 1_000;

    /// <summary>Each member of the crowd says so much in a second.</summary>
    public double Pace { get; init; } = 2;

    public static Plan Named(string name) => name switch
    {
        "full" => Full,
        "small" => Small,
        _ => throw new ArgumentException($"There is no plan \"{name}\": full or small.", nameof(name)),
    };

    public int Tries(int full) => Math.Max(20, (int)(full * Scale));
}
