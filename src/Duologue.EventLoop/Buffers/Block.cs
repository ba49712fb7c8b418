using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Duologue.EventLoop.Buffers;

/// <summary>
/// Memory that does not move, to write frames into and to send from. It has one owner at a time; or it is shared, and those who send from it have a view each.
/// </summary>
internal sealed unsafe class Block
{
    private byte* _start;

    /// <summary>A view, that shows nothing yet.</summary>
    public Block()
    {
        Array = [];
    }

    public Block(int size)
    {
        Array = GC.AllocateUninitializedArray<byte>(size, pinned: true);
        _start = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(Array));
    }

    public byte[] Array { get; private set; }

    /// <summary>Whose memory this shows a part of; null if it has its own.</summary>
    public Block? Whole { get; private set; }

    /// <summary>How many hold a shared block: its views, and who writes to it. The pool's.</summary>
    public int Holders { get; set; }

    /// <summary>Whether the pool's own thread took it. The pool's.</summary>
    public bool IsOwn { get; set; }

    /// <summary>The first byte that has not been sent.</summary>
    public int Start { get; set; }

    /// <summary>Behind the last byte that was written.</summary>
    public int End { get; set; }

    /// <summary>The next block of a ring; null while it is in none.</summary>
    public Block? Next { get; set; }

    public int Length => End - Start;

    /// <summary>How much can be written behind <see cref="End"/>: into a view nothing.</summary>
    public int Room => Whole is null ? Array.Length - End : 0;

    /// <summary>The address of <see cref="Start"/>. In bounds: the array is pinned for life, and Start is never beyond End or End beyond the array.</summary>
    public byte* Address
    {
        get
        {
            Debug.Assert(Start >= 0 && Start <= End && End <= Array.Length, "What is sent lies within the block.");
            return _start + Start;
        }
    }

    /// <summary>Makes a view show a part of a block; of none it shows nothing.</summary>
    public void Show(Block? whole, int start, int end)
    {
        Debug.Assert(whole is null || end <= whole.Array.Length, "What is shown lies within the block.");
        Whole = whole;
        Array = whole?.Array ?? [];
        _start = whole is null ? null : whole._start;
        (Start, End) = (start, end);
    }
}
