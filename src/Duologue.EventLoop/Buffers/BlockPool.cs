using System.Diagnostics;

namespace Duologue.EventLoop.Buffers;

/// <summary>
/// Blocks of three sizes, and views of those that are shared. What was in use at once in the last while stays at hand; the rest goes back to the
/// garbage collector by and by. Thread-safe; its lock is a leaf. The loop's thread has blocks of its own, which cost neither lock nor interlocked operation.
/// </summary>
internal sealed class BlockPool
{
    public const int Small = 1024;
    public const int Medium = 8 * 1024;
    public const int Large = 64 * 1024;

    // The loop looks five times a second: what was not needed for five seconds goes.
    private const int LooksPerTrim = 25;

    // Where views are, behind the blocks of three sizes.
    private const int Views = 3;

    // What is kept whatever happens, in blocks of each size, and in views.
    private static readonly int[] Kept = [64, 16, 4, 64];

    // What its own thread took, and what others took, comes back to where it was.
    private readonly Shelves _own = new();
    private readonly Shelves _common = new();
    private readonly Lock _lock = new();
    private int _owner;
    private int _ownOut;
    private int _commonOut;
    private int _looks;
    private volatile bool _hasSpare;

    /// <summary>Blocks and views that were rented and not returned.</summary>
    public int Rented => Volatile.Read(ref _ownOut) + Volatile.Read(ref _commonOut);

    /// <summary>Whether there may be blocks to let go of: <see cref="Trim"/> is to be called now and then.</summary>
    public bool HasSpare => _hasSpare;

    private bool IsOwner => _owner == Environment.CurrentManagedThreadId;

    /// <summary>Makes it the calling thread's own, until <see cref="Disown"/>. Before the first block is taken.</summary>
    public void Own() => _owner = Environment.CurrentManagedThreadId;

    /// <summary>The thread ends: another may get its number.</summary>
    public void Disown() => _owner = 0;

    /// <summary>Takes a block of at least so many bytes.</summary>
    public Block Rent(int size)
    {
        int index = IndexFor(size);
        return Take(index) ?? Count(new Block(index switch { 0 => Small, 1 => Medium, 2 => Large, _ => size }));
    }

    /// <summary>Takes a block that will have views; who takes it is the first to hold it, and lets go of it by <see cref="LetGo"/>.</summary>
    public Block RentShared(int size)
    {
        Block block = Rent(size);
        block.Holders = 1;
        return block;
    }

    /// <summary>Takes a view of a part of a shared block, which it holds until it is returned. By the thread that took the block.</summary>
    public Block RentView(Block whole, int start, int end)
    {
        Block view = Take(Views) ?? Count(new Block());
        Debug.Assert(view.IsOwn == whole.IsOwn, "A view is taken by the thread that took the block.");
        whole.Holders++;
        view.Show(whole, start, end);
        return view;
    }

    /// <summary>Holds a shared block no longer.</summary>
    public void LetGo(Block whole)
    {
        Debug.Assert(whole.Holders > 0, "Whoever holds a block lets go of it once.");
        if (--whole.Holders == 0)
        {
            Return(whole);
        }
    }

    /// <summary>Gives a block or a view back, once. Blocks of odd sizes are left to the garbage collector.</summary>
    public void Return(Block block)
    {
        Debug.Assert(block.Next is null, "A block is returned alone.");
        Block? whole = block.Whole;
        int index = whole is null ? IndexFor(block.Array.Length) : Views;
        if (whole is null)
        {
            (block.Start, block.End) = (0, 0);
        }
        else
        {
            block.Show(null, 0, 0);
        }

        if (!block.IsOwn)
        {
            lock (_lock)
            {
                // Whoever sees that none is out finds it here.
                Put(_common, index, block);
                Interlocked.Decrement(ref _commonOut);
            }
        }
        else if (IsOwner)
        {
            Put(_own, index, block);
            Volatile.Write(ref _ownOut, _ownOut - 1);
        }
        else
        {
            // Few: what a dead connection had. Its own shelf is not for this thread to touch.
            Interlocked.Decrement(ref _commonOut);
        }

        if (whole is not null)
        {
            LetGo(whole);
        }
    }

    /// <summary>Lets go of blocks that nobody needed for a while. To be called now and then, by its own thread if it has one.</summary>
    public void Trim()
    {
        if (!_hasSpare || ++_looks % LooksPerTrim != 0)
        {
            return;
        }

        bool spare = _own.Trim();
        lock (_lock)
        {
            _hasSpare = _common.Trim() || spare;
        }
    }

    private Block? Take(int index)
    {
        if (IsOwner)
        {
            Block? own = _own.Take(index);
            return own is null ? null : Count(own);
        }

        Block? block;
        lock (_lock)
        {
            block = _common.Take(index);
        }

        return block is null ? null : Count(block);
    }

    private Block Count(Block block)
    {
        block.IsOwn = IsOwner;
        if (block.IsOwn)
        {
            Volatile.Write(ref _ownOut, _ownOut + 1);
        }
        else
        {
            Interlocked.Increment(ref _commonOut);
        }

        return block;
    }

    private void Put(Shelves shelves, int index, Block block)
    {
        if (index >= 0 && shelves.Put(index, block) && !_hasSpare)
        {
            _hasSpare = true;
        }
    }

    private static int IndexFor(int size) => size <= Small ? 0 : size <= Medium ? 1 : size <= Large ? 2 : -1;

    /// <summary>What lies at hand. Not thread-safe.</summary>
    private sealed class Shelves
    {
        private readonly Stack<Block>[] _free = [new(), new(), new(), new()];

        // The fewest free ones since the last look: so many were not needed.
        private readonly int[] _unneeded = new int[4];

        public Block? Take(int index)
        {
            if (index < 0 || !_free[index].TryPop(out Block? block))
            {
                return null;
            }

            _unneeded[index] = Math.Min(_unneeded[index], _free[index].Count);
            return block;
        }

        /// <returns>Whether there are more than are kept.</returns>
        public bool Put(int index, Block block)
        {
            _free[index].Push(block);
            return _free[index].Count > Kept[index];
        }

        /// <returns>Whether there are still more than are kept.</returns>
        public bool Trim()
        {
            bool spare = false;
            for (int i = 0; i < _free.Length; i++)
            {
                int count = Math.Min(_unneeded[i], _free[i].Count - Kept[i]);
                for (int n = 0; n < count; n++)
                {
                    _free[i].Pop();
                }

                _unneeded[i] = _free[i].Count;
                if (count > 0)
                {
                    _free[i].TrimExcess();
                }

                spare |= _free[i].Count > Kept[i];
            }

            return spare;
        }
    }
}
