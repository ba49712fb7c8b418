using System.Text;
using System.Text.Unicode;
using BenchmarkDotNet.Attributes;
using Duologue.Protocol;

namespace Duologue.Benchmarks;

/// <summary>The incremental UTF-8 check: whole, and in the chunks that a Kestrel pipe brings, against the runtime's check of the whole.</summary>
public class Utf8Benchmarks
{
    private const int PipeBlock = 4096;

    private byte[] _text = [];

    [Params("Ascii", "Mixed", "Chinese")]
    public string Kind { get; set; } = "";

    [Params(20, 16 * 1024)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        string unit = Kind switch
        {
            "Ascii" => "plain words ",
            "Mixed" => "naïve café, 3 €, 🙂 ",
            _ => "全双工通信",
        };
        byte[] unitBytes = Encoding.UTF8.GetBytes(unit);
        List<byte> text = [];
        while (text.Count + unitBytes.Length <= Size)
        {
            text.AddRange(unitBytes);
        }

        _text = [.. text];
    }

    [Benchmark(Baseline = true)]
    public bool Runtime() => Utf8.IsValid(_text);

    [Benchmark]
    public bool Whole()
    {
        Utf8Validator validator = default;
        return validator.Append(_text) && validator.IsComplete;
    }

    [Benchmark]
    public bool InPipeBlocks()
    {
        Utf8Validator validator = default;
        bool valid = true;
        for (int at = 0; at < _text.Length && valid; at += PipeBlock)
        {
            valid = validator.Append(_text.AsSpan(at, Math.Min(PipeBlock, _text.Length - at)));
        }

        return valid && validator.IsComplete;
    }
}
