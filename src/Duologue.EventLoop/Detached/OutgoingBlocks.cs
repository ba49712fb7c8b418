using System.Diagnostics;
using Duologue.EventLoop.Buffers;
using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Detached;

/// <summary>
/// The bytes of one socket that wait to be sent, oldest first, in a chain of blocks. A mutable struct of one owner: not thread-safe. Empty it holds nothing.
/// </summary>
internal struct OutgoingBlocks
{
    private Block? _first;
    private Block? _last;

    /// <summary>A block at the end with room for at least so many bytes behind what was written.</summary>
    /// <param name="count">How many bytes.</param>
    /// <param name="pool">Where blocks come from.</param>
    /// <param name="large">Whether much is to come.</param>
    /// <param name="inUse">Whether the kernel may still read what was gathered: then nothing moves.</param>
    public Block Reserve(int count, BlockPool pool, bool large, bool inUse)
    {
        if (_last is { } last && last.Room >= count)
        {
            return last;
        }

        if (!inUse && !large && _last is { Array.Length: BlockPool.Small } only && only == _first && only.Length + count <= BlockPool.Medium)
        {
            // To copy some hundred bytes once costs less than to send two pieces.
            return Outgrow(only, pool);
        }

        // One that is full of what waits is followed by a larger one: much needs few. One that was only worn, by what went while more came, is not.
        int waits = _last?.Length ?? 0;
        int size = waits > BlockPool.Small || large ? BlockPool.Large : waits > BlockPool.Small / 2 ? BlockPool.Medium : BlockPool.Small;
        Block block = pool.Rent(Math.Max(count, size));
        Append(block);
        return block;
    }

    /// <summary>Puts a chain behind this one; small things are copied into the last block instead, where they fit.</summary>
    public void Append(Block chain, BlockPool pool)
    {
        if (chain.Next is null && _last is { } last && chain.Length <= Math.Min(last.Room, BlockPool.Medium))
        {
            chain.Array.AsSpan(chain.Start, chain.Length).CopyTo(last.Array.AsSpan(last.End));
            last.End += chain.Length;
            pool.Return(chain);
            return;
        }

        Append(chain);
    }

    /// <summary>Gives the chain away.</summary>
    public Block? Take()
    {
        Block? first = _first;
        _first = null;
        _last = null;
        return first;
    }

    /// <summary>Says where the bytes lie.</summary>
    /// <returns>How many pieces were written.</returns>
    public readonly unsafe int Gather(Span<IoVector> vectors)
    {
        int count = 0;
        for (Block? block = _first; block is not null && count < vectors.Length; block = block.Next)
        {
            if (block.Length == 0)
            {
                // Reserved, and not written to.
                continue;
            }

            // In bounds: Address and Length are those of a pinned array's written part.
            vectors[count].Start = block.Address;
            vectors[count].Length = (nuint)block.Length;
            count++;
        }

        return count;
    }

    /// <summary>Lets go of bytes that were sent.</summary>
    public void Consume(long count, BlockPool pool)
    {
        while (count > 0)
        {
            Block block = _first!;
            Debug.Assert(block is not null, "No more is sent than there is.");
            int part = (int)Math.Min(count, block.Length);
            block.Start += part;
            count -= part;
            if (block.Length > 0)
            {
                return;
            }

            _first = block.Next;
            if (_first is null)
            {
                _last = null;
            }

            block.Next = null;
            pool.Return(block);
        }
    }

    public void Release(BlockPool pool) => Release(Take(), pool);

    public static void Release(Block? chain, BlockPool pool)
    {
        while (chain is not null)
        {
            Block? next = chain.Next;
            chain.Next = null;
            pool.Return(chain);
            chain = next;
        }
    }

    private Block Outgrow(Block only, BlockPool pool)
    {
        Block larger = pool.Rent(BlockPool.Medium);
        only.Array.AsSpan(only.Start, only.Length).CopyTo(larger.Array);
        larger.End = only.Length;
        _first = larger;
        _last = larger;
        pool.Return(only);
        return larger;
    }

    private void Append(Block chain)
    {
        if (_last is null)
        {
            _first = chain;
        }
        else
        {
            _last.Next = chain;
        }

        while (chain.Next is { } next)
        {
            chain = next;
        }

        _last = chain;
    }
}
