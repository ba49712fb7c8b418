using Duologue.EventLoop.Buffers;

namespace Duologue.EventLoop.Tests.Buffers;

public class BlockPoolTests
{
    private readonly BlockPool _pool = new();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_returned_is_taken_again(bool owned)
    {
        if (owned)
        {
            _pool.Own();
        }

        Block block = _pool.Rent(100);
        block.End = 50;
        Assert.Equal(1, _pool.Rented);

        _pool.Return(block);

        Assert.Equal(0, _pool.Rented);
        Assert.Same(block, _pool.Rent(BlockPool.Small));
        Assert.Equal((0, 0), (block.Start, block.End));
    }

    [Fact]
    public void A_block_of_another_thread_that_the_owner_returns_is_there_for_other_threads()
    {
        Block block = _pool.Rent(100);
        _pool.Own();

        _pool.Return(block);
        Assert.NotSame(block, _pool.Rent(100));

        _pool.Disown();
        Assert.Same(block, _pool.Rent(100));
    }

    [Fact]
    public void A_block_of_the_owner_that_another_thread_returns_is_counted_and_let_go_of()
    {
        _pool.Own();
        Block block = _pool.Rent(100);
        _pool.Disown();

        _pool.Return(block);

        Assert.Equal(0, _pool.Rented);
        Assert.NotSame(block, _pool.Rent(100));
    }

    [Fact]
    public void A_shared_block_is_in_use_until_the_last_of_its_views_is_returned()
    {
        Block whole = _pool.RentShared(100);
        whole.End = 10;
        Block first = _pool.RentView(whole, 0, 4);
        Block second = _pool.RentView(whole, 4, 10);
        Assert.Same(whole.Array, second.Array);
        Assert.Equal((6, 0), (second.Length, second.Room));

        _pool.LetGo(whole);
        _pool.Return(first);
        Assert.Equal(2, _pool.Rented);
        Assert.NotSame(whole, _pool.Rent(100));

        _pool.Return(second);
        Assert.Equal(1, _pool.Rented);
        Assert.Same(whole, _pool.Rent(100));
    }

    [Fact]
    public void What_was_not_needed_for_a_while_is_let_go_of_but_for_a_few()
    {
        _pool.Own();
        Block[] blocks = [.. Enumerable.Range(0, 1000).Select(_ => _pool.Rent(BlockPool.Small))];
        Array.ForEach(blocks, _pool.Return);
        Assert.True(_pool.HasSpare);

        for (int i = 0; i < 100; i++)
        {
            _pool.Trim();
        }

        Assert.False(_pool.HasSpare);
        HashSet<Block> known = [.. blocks];
        int kept = Enumerable.Range(0, 1000).Count(_ => known.Contains(_pool.Rent(BlockPool.Small)));
        Assert.InRange(kept, 1, 100);
    }
}
