using SharpFuzz.Common;

namespace Duologue.Fuzz.Engine;

/// <summary>
/// Which branches of an instrumented Duologue an input took, and how often, as AFL counts them: by edge, in classes of
/// 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127 and more. One per process: the instrumented code writes to one place.
/// </summary>
internal sealed unsafe class CoverageMap
{
    private const int Size = 1 << 16;

    private readonly byte[] _hits = GC.AllocateArray<byte>(Size, pinned: true);
    private readonly byte[] _seen = new byte[Size];

    public CoverageMap()
    {
        fixed (byte* hits = _hits)
        {
            // Pinned for the life of the array, and the array lives as long as this.
            Trace.SharedMem = hits;
        }
    }

    /// <summary>Whether the Duologue beside this program was instrumented.</summary>
    public static bool IsAvailable { get; } =
        typeof(Connection).Assembly.GetReferencedAssemblies().Any(reference => reference.Name == "SharpFuzz.Common");

    /// <summary>How many edges any input has taken.</summary>
    public int Edges => Size - _seen.AsSpan().Count((byte)0);

    /// <summary>Forgets the hits of the last input.</summary>
    public void Reset()
    {
        Array.Clear(_hits);
        Trace.PrevLocation = 0;
    }

    /// <summary>Whether the last input took an edge, or took it as often, as no input before it.</summary>
    public bool Learn()
    {
        bool isNew = false;
        ReadOnlySpan<byte> hits = _hits;
        for (int at = 0; ;)
        {
            int next = hits[at..].IndexOfAnyExcept((byte)0);
            if (next < 0)
            {
                return isNew;
            }

            at += next;
            byte bucket = Bucket(hits[at]);
            if ((_seen[at] & bucket) == 0)
            {
                _seen[at] |= bucket;
                isNew = true;
            }

            if (++at == Size)
            {
                return isNew;
            }
        }
    }

    private static byte Bucket(byte hits) => hits switch
    {
        1 => 1,
        2 => 2,
        3 => 4,
        < 8 => 8,
        < 16 => 16,
        < 32 => 32,
        < 128 => 64,
        _ => 128,
    };
}
