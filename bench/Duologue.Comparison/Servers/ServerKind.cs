namespace Duologue.Comparison;

/// <summary>What has to be there before a server can run.</summary>
internal enum Need
{
    /// <summary>bench/Duologue.EchoServer under the JIT compiler.</summary>
    Server,

    /// <summary>The same, compiled ahead of time.</summary>
    NativeServer,

    /// <summary>bench/peers, with its npm packages.</summary>
    Ws,
    Bun,

    /// <summary>It was built elsewhere.</summary>
    Nothing,
}

/// <summary>A server that can be measured.</summary>
/// <param name="Command">A program and its arguments. <c>{server}</c>, <c>{native}</c>, <c>{peers}</c> and <c>{bun}</c> are where they were built, <c>{port}</c> a free port.</param>
internal sealed record ServerKind(string Name, Need Need, string Command)
{
    /// <summary>Seconds of load until it has settled, if nothing else is said.</summary>
    public double? Warmup { get; init; }

    /// <summary>It may use all cores, the generator's too.</summary>
    public bool AllCores { get; init; }

    /// <summary>It takes <c>--tls</c> and <c>--deflate</c> at the end of its command; others run plain only.</summary>
    public bool TakesOptions { get; init; }

    /// <summary>Smaller windows than zlib's largest can be set.</summary>
    public bool HasWindows { get; init; } = true;

    public bool Supports(BenchCase one) => (one.Variant == "plain" || TakesOptions) && (HasWindows || !one.Deflate.Contains(':', StringComparison.Ordinal));
}
