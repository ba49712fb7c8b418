using Duologue.EventLoop.Buffers;
using Duologue.EventLoop.Detached;
using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Tests.Detached;

public class OutgoingBlocksTests
{
    private readonly BlockPool _pool = new();

    [Fact]
    public void A_stream_that_leaves_as_fast_as_it_comes_stays_in_small_blocks()
    {
        OutgoingBlocks blocks = default;
        Write(ref blocks, 300, inUse: false);
        for (int i = 0; i < 1000; i++)
        {
            // The next is written while the kernel still has the one before: the chain is never empty.
            Block block = Write(ref blocks, 300, inUse: true);
            Assert.Equal(BlockPool.Small, block.Array.Length);
            blocks.Consume(300, _pool);
        }

        blocks.Release(_pool);
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void What_outgrows_a_small_block_leaves_in_one_piece()
    {
        OutgoingBlocks blocks = default;
        Write(ref blocks, 900, inUse: false);
        Write(ref blocks, 900, inUse: false);
        Write(ref blocks, 900, inUse: false);

        Assert.Equal([2700], Pieces(blocks));
        Assert.Equal(Enumerable.Repeat(Enumerable.Range(0, 900).Select(i => (byte)i), 3).SelectMany(part => part), Bytes(blocks));

        blocks.Release(_pool);
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void What_the_kernel_reads_does_not_move()
    {
        OutgoingBlocks blocks = default;
        Block first = Write(ref blocks, 900, inUse: false);
        Write(ref blocks, 900, inUse: true);

        Assert.Equal([900, 900], Pieces(blocks));
        Assert.Equal(900, first.Length);

        blocks.Release(_pool);
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void Much_that_waits_gets_larger_and_larger_blocks()
    {
        OutgoingBlocks blocks = default;
        for (int i = 0; i < 100; i++)
        {
            Write(ref blocks, 1000, inUse: true);
        }

        Assert.True(Pieces(blocks).Length <= 4, $"There are {Pieces(blocks).Length} pieces.");
        Assert.Equal(100_000, Bytes(blocks).Length);

        blocks.Release(_pool);
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void Frames_for_many_are_one_piece_that_is_not_copied()
    {
        SharedFrames frames = new(_pool);
        OutgoingBlocks one = default;
        OutgoingBlocks other = default;
        foreach (byte[] frame in new byte[][] { [1, 2, 3], [4, 5] })
        {
            Assert.True(one.TryShare(frame, frames, _pool));
            Assert.True(other.TryShare(frame, frames, _pool));
        }

        Assert.Equal([5], Pieces(one));
        Assert.Equal([1, 2, 3, 4, 5], Bytes(other));
        Assert.Same(one.Last!.Array, other.Last!.Array);

        // What is written by itself comes behind them, and not into them.
        Write(ref one, 2, inUse: false);
        Assert.Equal([1, 2, 3, 4, 5, 0, 1], Bytes(one));
        Assert.Equal([1, 2, 3, 4, 5], Bytes(other));

        frames.Drop();
        one.Consume(7, _pool);
        other.Consume(4, _pool);
        Assert.Equal([5], Bytes(other));
        other.Consume(1, _pool);
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void Who_still_has_the_frames_of_a_turn_before_gets_copies()
    {
        SharedFrames frames = new(_pool);
        OutgoingBlocks slow = default;
        OutgoingBlocks quick = default;
        Assert.True(slow.TryShare(new byte[10], frames, _pool));
        frames.Drop();

        byte[] frame = new byte[20];
        Assert.False(slow.TryShare(frame, frames, _pool));
        Assert.True(quick.TryShare(frame, frames, _pool));

        slow.Release(_pool);
        quick.Release(_pool);
        frames.Drop();
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void A_frame_that_lies_behind_one_for_others_is_copied()
    {
        SharedFrames frames = new(_pool);
        OutgoingBlocks some = default;
        OutgoingBlocks all = default;
        byte[] first = [1];
        byte[] second = [2];
        byte[] third = [3];
        Assert.True(some.TryShare(first, frames, _pool));
        Assert.True(all.TryShare(first, frames, _pool));
        Assert.True(all.TryShare(second, frames, _pool));
        Assert.True(all.TryShare(third, frames, _pool));
        Assert.False(some.TryShare(third, frames, _pool));

        Assert.Equal([1], Bytes(some));
        Assert.Equal([1, 2, 3], Bytes(all));
        some.Release(_pool);
        all.Release(_pool);
        frames.Drop();
        Assert.Equal(0, _pool.Rented);
    }

    private Block Write(ref OutgoingBlocks blocks, int count, bool inUse)
    {
        Block block = blocks.Reserve(count, _pool, large: false, inUse);
        for (int i = 0; i < count; i++)
        {
            block.Array[block.End + i] = (byte)i;
        }

        block.End += count;
        return block;
    }

    private static int[] Pieces(OutgoingBlocks blocks)
    {
        var vectors = new IoVector[Constants.MaxVectors];
        int count = blocks.Gather(vectors);
        return [.. vectors.Take(count).Select(vector => (int)vector.Length)];
    }

    private static unsafe byte[] Bytes(OutgoingBlocks blocks)
    {
        var vectors = new IoVector[Constants.MaxVectors];
        int count = blocks.Gather(vectors);
        List<byte> bytes = [];
        for (int i = 0; i < count; i++)
        {
            bytes.AddRange(new ReadOnlySpan<byte>(vectors[i].Start, (int)vectors[i].Length));
        }

        return [.. bytes];
    }
}
