using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Duologue.EventLoop.Buffers;

/// <summary>Memory that does not move, to write frames into and to send from. It has one owner at a time.</summary>
internal sealed unsafe class Block
{
    private readonly byte* _start;

    public Block(int size)
    {
        Array = GC.AllocateUninitializedArray<byte>(size, pinned: true);
        _start = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(Array));
    }

    public byte[] Array { get; }

    /// <summary>The first byte that has not been sent.</summary>
    public int Start { get; set; }

    /// <summary>Behind the last byte that was written.</summary>
    public int End { get; set; }

    /// <summary>The next block of a ring; null while it is in none.</summary>
    public Block? Next { get; set; }

    public int Length => End - Start;

    public int Room => Array.Length - End;

    /// <summary>The address of <see cref="Start"/>. In bounds: the array is pinned for life, and Start is never beyond End or End beyond the array.</summary>
    public byte* Address
    {
        get
        {
            Debug.Assert(Start >= 0 && Start <= End && End <= Array.Length, "What is sent lies within the block.");
            return _start + Start;
        }
    }
}

/// <summary>
/// Blocks of three sizes. What was in use at once in the last while stays at hand; the rest goes back to the garbage collector by and
/// by. Thread-safe; its lock is a leaf.
/// </summary>
internal sealed class BlockPool
{
    public const int Small = 1024;
    public const int Medium = 8 * 1024;
    public const int Large = 64 * 1024;

    // The loop looks five times a second: what was not needed for five seconds goes.
    private const int LooksPerTrim = 25;

    // What is kept whatever happens, in blocks of each size.
    private static readonly int[] Kept = [64, 16, 4];

    private readonly Lock _lock = new();
    private readonly Stack<Block>[] _free = [new(), new(), new()];

    // The fewest free ones since the last look: so many were not needed.
    private readonly int[] _unneeded = new int[3];
    private int _out;
    private int _looks;
    private volatile bool _hasSpare;

    /// <summary>Blocks that were rented and not returned.</summary>
    public int Rented => Volatile.Read(ref _out);

    /// <summary>Whether there may be blocks to let go of: <see cref="Trim"/> is to be called now and then.</summary>
    public bool HasSpare => _hasSpare;

    /// <summary>Takes a block of at least so many bytes.</summary>
    public Block Rent(int size)
    {
        int index = IndexFor(size);
        lock (_lock)
        {
            if (index >= 0 && _free[index].TryPop(out Block? block))
            {
                Interlocked.Increment(ref _out);
                _unneeded[index] = Math.Min(_unneeded[index], _free[index].Count);
                return block;
            }
        }

        var made = new Block(index switch { 0 => Small, 1 => Medium, 2 => Large, _ => size });
        Interlocked.Increment(ref _out);
        return made;
    }

    /// <summary>Gives a block back, once. Blocks of odd sizes are left to the garbage collector.</summary>
    public void Return(Block block)
    {
        Debug.Assert(block.Next is null, "A block is returned alone.");
        block.Start = 0;
        block.End = 0;
        int index = IndexFor(block.Array.Length);
        lock (_lock)
        {
            int left = Interlocked.Decrement(ref _out);
            Debug.Assert(left >= 0, "A block is returned once.");
            if (index >= 0)
            {
                _free[index].Push(block);
                _hasSpare |= _free[index].Count > Kept[index];
            }
        }
    }

    /// <summary>Lets go of blocks that nobody needed for a while. To be called now and then.</summary>
    public void Trim()
    {
        lock (_lock)
        {
            if (!_hasSpare || ++_looks % LooksPerTrim != 0)
            {
                return;
            }

            for (int i = 0; i < _free.Length; i++)
            {
                int spare = Math.Min(_unneeded[i], _free[i].Count - Kept[i]);
                for (int n = 0; n < spare; n++)
                {
                    _free[i].Pop();
                }

                _unneeded[i] = _free[i].Count;
                if (spare > 0)
                {
                    _free[i].TrimExcess();
                }
            }

            _hasSpare = !IsLean();
        }
    }

    private bool IsLean()
    {
        for (int i = 0; i < _free.Length; i++)
        {
            if (_free[i].Count > Kept[i])
            {
                return false;
            }
        }

        return true;
    }

    private static int IndexFor(int size) => size <= Small ? 0 : size <= Medium ? 1 : size <= Large ? 2 : -1;
}
