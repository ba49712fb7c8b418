using BenchmarkDotNet.Attributes;
using Duologue.Protocol;

namespace Duologue.Benchmarks;

/// <summary>Masking: in place, and on the way into another buffer, against copying alone.</summary>
public class MaskBenchmarks
{
    private const uint Key = 0x3D21FA37;

    private byte[] _source = [];
    private byte[] _destination = [];

    [Params(20, 125, 1024, 16 * 1024, 64 * 1024)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _source = new byte[Size];
        _destination = new byte[Size];
        new Random(1).NextBytes(_source);
    }

    [Benchmark(Baseline = true)]
    public void Copy() => _source.CopyTo(_destination.AsSpan());

    [Benchmark]
    public int MaskInPlace() => Mask.Apply(_destination, Key, 0);

    [Benchmark]
    public int MaskWhileCopying() => Mask.Apply(_source, _destination, Key, 0);

    [Benchmark]
    public int MaskWhileCopyingFromOddPhase() => Mask.Apply(_source, _destination, Key, 3);
}
