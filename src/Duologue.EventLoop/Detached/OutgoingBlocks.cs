using System.Diagnostics;
using Duologue.EventLoop.Buffers;
using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Detached;

/// <summary>
/// The bytes of one socket that wait to be sent, oldest first, in a ring of blocks. A mutable struct of one owner: not thread-safe. Empty it holds nothing.
/// </summary>
/// <remarks>A ring is named by its last block, whose next one is the first: every connection has room for it, and this way it is one reference.</remarks>
internal struct OutgoingBlocks
{
    private Block? _last;

    /// <summary>The block of the last <see cref="Reserve"/>, until it was sent; null if there is none.</summary>
    public readonly Block? Last => _last;

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

        if (!inUse && !large && _last is { Array.Length: BlockPool.Small, Whole: null } only && only == only.Next && only.Length + count <= BlockPool.Medium)
        {
            // To copy some hundred bytes once costs less than to send two pieces.
            return Outgrow(only, pool);
        }

        // A block that is full of unsent bytes is followed by a larger one, so that much needs few blocks. One whose bytes were mostly sent while more came is not.
        int waits = _last?.Length ?? 0;
        int size = waits > BlockPool.Small || large ? BlockPool.Large : waits > BlockPool.Small / 2 ? BlockPool.Medium : BlockPool.Small;
        Block block = pool.Rent(Math.Max(count, size));
        block.Next = block;
        return _last = Join(_last, block);
    }

    /// <summary>Puts a ring behind this one; small things are copied into the last block instead, where they fit.</summary>
    public void Append(Block ring, BlockPool pool)
    {
        if (ring.Next == ring && _last is { } last && ring.Length <= Math.Min(last.Room, BlockPool.Medium))
        {
            ring.Array.AsSpan(ring.Start, ring.Length).CopyTo(last.Array.AsSpan(last.End));
            last.End += ring.Length;
            Release(ring, pool);
            return;
        }

        _last = Join(_last, ring);
    }

    /// <summary>
    /// Puts a frame that others are sent as well behind what waits, by a view of where it lies. False if it is to be copied: behind other things it would be a piece
    /// of its own, and whoever is behind with reading must not keep the blocks of one turn after the other for some bytes of each.
    /// </summary>
    public bool TryShare(ReadOnlyMemory<byte> frame, SharedFrames frames, BlockPool pool)
    {
        if (_last is { } last && (last.Whole is null || !frames.Has(last.Whole)))
        {
            return false;
        }

        Block whole = frames.Place(frame, out int start);
        if (_last?.Whole == whole)
        {
            if (_last.End != start)
            {
                return false;
            }

            _last.End += frame.Length;
            return true;
        }

        Block view = pool.RentView(whole, start, start + frame.Length);
        view.Next = view;
        _last = Join(_last, view);
        return true;
    }

    /// <summary>Says where the bytes lie.</summary>
    /// <returns>How many pieces were written.</returns>
    public readonly unsafe int Gather(Span<IoVector> vectors)
    {
        int count = 0;
        Block? block = _last;
        while (block is not null && count < vectors.Length)
        {
            block = block.Next!;

            // Else reserved, and not written to.
            if (block.Length != 0)
            {
                // In bounds: Address and Length are those of a pinned array's written part.
                vectors[count].Start = block.Address;
                vectors[count].Length = (nuint)block.Length;
                count++;
            }

            if (block == _last)
            {
                break;
            }
        }

        return count;
    }

    /// <summary>Lets go of bytes that were sent.</summary>
    public void Consume(long count, BlockPool pool)
    {
        while (count > 0)
        {
            Block last = _last!;
            Debug.Assert(last is not null, "No more is sent than there is.");
            Block block = last.Next!;
            int part = (int)Math.Min(count, block.Length);
            block.Start += part;
            count -= part;
            if (block.Length > 0)
            {
                return;
            }

            if (block == last)
            {
                _last = null;
            }
            else
            {
                last.Next = block.Next;
            }

            block.Next = null;
            pool.Return(block);
        }
    }

    /// <summary>Lets go of all.</summary>
    public void Release(BlockPool pool)
    {
        Release(_last, pool);
        _last = null;
    }

    /// <summary>Gives the blocks of a ring back.</summary>
    public static void Release(Block? ring, BlockPool pool)
    {
        Block? block = ring?.Next;
        while (block is not null)
        {
            Block? next = block == ring ? null : block.Next;
            block.Next = null;
            pool.Return(block);
            block = next;
        }
    }

    /// <summary>Makes one ring of two.</summary>
    /// <returns>Its last block.</returns>
    public static Block Join(Block? before, Block ring)
    {
        if (before is not null)
        {
            (before.Next, ring.Next) = (ring.Next, before.Next);
        }

        return ring;
    }

    /// <summary>How many bytes there are in a ring.</summary>
    public static long LengthOf(Block ring)
    {
        long length = ring.Length;
        for (Block block = ring.Next!; block != ring; block = block.Next!)
        {
            length += block.Length;
        }

        return length;
    }

    private Block Outgrow(Block only, BlockPool pool)
    {
        Block larger = pool.Rent(BlockPool.Medium);
        only.Array.AsSpan(only.Start, only.Length).CopyTo(larger.Array);
        larger.End = only.Length;
        larger.Next = larger;
        _last = larger;
        Release(only, pool);
        return larger;
    }
}
