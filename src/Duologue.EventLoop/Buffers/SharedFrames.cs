namespace Duologue.EventLoop.Buffers;

/// <summary>
/// Frames that many sockets of a loop are sent in one turn: they lie in memory once, one behind the other, so that what is published to a crowd is neither copied for
/// each of it nor read by the kernel from as many places. The loop's thread alone.
/// </summary>
internal sealed class SharedFrames(BlockPool pool)
{
    private readonly List<Block> _full = [];
    private Block? _block;
    private ReadOnlyMemory<byte> _last;
    private int _lastStart;

    /// <summary>Where a frame lies; it is put there unless it was the last one.</summary>
    /// <param name="frame">Memory that nobody writes to again: it is known by where it is.</param>
    /// <param name="start">Where in the block it begins.</param>
    public Block Place(ReadOnlyMemory<byte> frame, out int start)
    {
        if (_block is not { } block || !frame.Equals(_last))
        {
            block = WithRoom(frame.Length);
            frame.Span.CopyTo(block.Array.AsSpan(block.End));
            (_last, _lastStart) = (frame, block.End);
            block.End += frame.Length;
        }

        start = _lastStart;
        return block;
    }

    /// <summary>Whether a block is of this turn.</summary>
    public bool Has(Block block) => block == _block || _full.Contains(block);

    /// <summary>Lets go of what was placed: from here on those who send it hold it. When a turn ends.</summary>
    public void Drop()
    {
        if (_block is not { } block)
        {
            return;
        }

        (_block, _last) = (null, default);
        pool.LetGo(block);
        foreach (Block full in _full)
        {
            pool.LetGo(full);
        }

        _full.Clear();
    }

    private Block WithRoom(int count)
    {
        // A receiver that does not read keeps this block from being used again, so it is no larger than what is sent needs.
        if (_block is { } block && block.Room >= count)
        {
            return block;
        }

        // Rented before anything changes: a block that is in both places would be let go of twice, while others still send from it.
        Block next = pool.RentShared(Math.Max(count, _block is null ? BlockPool.Medium : BlockPool.Large));
        if (_block is not null)
        {
            _full.Add(_block);
        }

        return _block = next;
    }
}
