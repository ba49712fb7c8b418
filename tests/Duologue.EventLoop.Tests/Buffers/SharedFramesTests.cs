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
}
