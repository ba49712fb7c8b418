using System.Buffers;
using Duologue.Peer;

namespace Duologue.Tests.Peer;

public sealed class OutboxTests
{
    [Fact]
    public void Gives_frames_back_in_order_and_counts_their_bytes()
    {
        var outbox = default(Outbox);
        Assert.Equal((0, 0L), (outbox.Count, outbox.Bytes));
        outbox.Add(Shared(3));
        outbox.Add(Rented(5));
        Assert.Equal((2, 8L), (outbox.Count, outbox.Bytes));
        Assert.Equal(3, outbox.Take().Bytes.Length);
        QueuedFrame second = outbox.Take();
        Assert.Equal((5, 4), (second.Bytes.Length, second.PayloadLength));
        second.Release();
        Assert.Equal((0, 0L), (outbox.Count, outbox.Bytes));
    }

    [Fact]
    public void Drops_the_oldest_until_there_is_room_and_no_more()
    {
        var outbox = default(Outbox);
        for (int i = 0; i < 5; i++)
        {
            outbox.Add(Rented(10));
        }

        // 20 elsewhere and 50 here; 15 more are to fit under 70: two must go.
        Assert.Equal(2, outbox.DropOldest(20, 15, 70));
        Assert.Equal((3, 30L), (outbox.Count, outbox.Bytes));
        Assert.Equal(0, outbox.DropOldest(20, 15, 70));
        Assert.Equal(3, outbox.DropOldest(20, 60, 70));
        Assert.Equal(0, outbox.DropOldest(20, 60, 70));
    }

    [Fact]
    public void Clears_everything_and_says_how_many()
    {
        var outbox = default(Outbox);
        Assert.Equal(0, outbox.Clear());
        outbox.Add(Rented(1));
        outbox.Add(Shared(1));
        Assert.Equal(2, outbox.Clear());
        Assert.Equal((0, 0L), (outbox.Count, outbox.Bytes));
        outbox.Add(Shared(1));
        Assert.Equal(1, outbox.Count);
    }

    private static QueuedFrame Shared(int length) => QueuedFrame.Shared(new byte[length], length - 1);

    private static QueuedFrame Rented(int length) => QueuedFrame.Rented(ArrayPool<byte>.Shared.Rent(length), length, length - 1);
}
