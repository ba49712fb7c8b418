using System.Buffers;
using Duologue.EventLoop.Buffers;

namespace Duologue.EventLoop.Tests.Buffers;

public class SharedFramesTests
{
    private readonly BlockPool _pool = new();

    [Fact]
    public void A_frame_for_many_lies_in_memory_once_and_the_next_behind_it()
    {
        SharedFrames frames = new(_pool);
        byte[] first = [1, 2, 3];
        byte[] second = [4, 5];

        Block block = frames.Place(first, out int start);
        Assert.Same(block, frames.Place(first, out int again));
        Assert.Same(block, frames.Place(second, out int next));

        Assert.Equal((0, 0, 3, 5), (start, again, next, block.End));
        Assert.Equal([1, 2, 3, 4, 5], block.Array[..5]);
        frames.Drop();
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void Frames_that_fill_a_block_go_on_in_another_of_the_same_turn()
    {
        SharedFrames frames = new(_pool);
        Block first = frames.Place(new byte[BlockPool.Medium - 10], out _);
        Block second = frames.Place(new byte[20], out int start);
        Block third = frames.Place(new byte[BlockPool.Large + 1], out _);

        Assert.Equal(0, start);
        Assert.All([first, second, third], block => Assert.True(frames.Has(block)));
        Assert.Equal(3, _pool.Rented);

        frames.Drop();
        Assert.False(frames.Has(first));
        Assert.False(frames.Has(third));
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void A_frame_that_there_was_no_memory_for_gave_back_what_others_still_send()
    {
        SharedFrames frames = new(_pool);
        Block whole = frames.Place(new byte[10], out int start);
        Block view = _pool.RentView(whole, start, start + 10);
        using var endless = new Endless();
        Assert.Throws<OutOfMemoryException>(() => frames.Place(endless.Memory, out _));

        frames.Drop();
        Assert.Equal((1, 2), (whole.Holders, _pool.Rented));
        _pool.Return(view);
        Assert.Equal(0, _pool.Rented);
    }

    /// <summary>Longer than any array may be.</summary>
    private sealed class Endless : MemoryManager<byte>
    {
        public override Memory<byte> Memory => CreateMemory(int.MaxValue);

        public override Span<byte> GetSpan() => default;

        public override MemoryHandle Pin(int elementIndex = 0) => default;

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
