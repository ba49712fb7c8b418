namespace Duologue.Faults;

/// <summary>Round trips of the crowd, in milliseconds.</summary>
internal sealed record Latency(long Count, double P50, double P99, double Max);

/// <summary>What became of one fault.</summary>
internal sealed record FaultResult
{
    public required string Name { get; init; }

    public required string Does { get; init; }

    public required string Gets { get; init; }

    public required int Tries { get; init; }

    /// <summary>Tries that ended as they should.</summary>
    public required int Survived { get; init; }

    /// <summary>What the server should have counted, and what it has.</summary>
    public required Dictionary<string, long> Expected { get; init; }

    public required Dictionary<string, long> Counted { get; init; }

    /// <summary>How the other tries ended.</summary>
    public required Dictionary<string, int> Surprises { get; init; }

    /// <summary>Messages of the crowd.</summary>
    public required long Lost { get; init; }

    public required Latency Latency { get; init; }

    public required double Seconds { get; init; }

    public bool IsCounted => Expected.Count == Counted.Count && Expected.All(pair => Counted.GetValueOrDefault(pair.Key) == pair.Value);

    public bool IsGood => Survived == Tries && IsCounted && Lost == 0;
}

internal sealed record MemoryPoint(int Connects, Memory Memory);

internal sealed record EnduranceResult
{
    public required int Connects { get; init; }

    public required int Failed { get; init; }

    public required List<MemoryPoint> Points { get; init; }

    /// <summary>Bytes of live objects that a connect leaves behind, after the warm-up.</summary>
    public required double ManagedPerConnect { get; init; }

    /// <summary>The same of the process's memory.</summary>
    public required double ResidentPerConnect { get; init; }
}

/// <summary>A whole run.</summary>
internal sealed record RunResult
{
    public required string Date { get; init; }

    public required string Plan { get; init; }

    public required string Machine { get; init; }

    public required int Crowd { get; init; }

    /// <summary>Messages that the crowd said and heard in the whole run.</summary>
    public required long Said { get; init; }

    public required long News { get; init; }

    public required long Lost { get; init; }

    /// <summary>Members of the crowd whose connection ended.</summary>
    public required int Ended { get; init; }

    public required Latency Quiet { get; init; }

    public required List<FaultResult> Faults { get; init; }

    public EnduranceResult? Endurance { get; init; }

    public bool IsGood => Lost == 0 && Ended == 0 && Faults.All(fault => fault.IsGood) && Endurance is null or { Failed: 0 };
}
