using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Pubsub;

public class TopicTailTests
{
    private static TopicPosition At(long offset, long epoch = 1) => new(epoch, offset);

    [Fact]
    public void It_reads_what_follows_a_place_and_says_nothing_of_what_it_does_not_have()
    {
        TopicTail tail = Filled(new FakeTimeProvider(), count: 40, size: 1);
        Assert.Null(tail.Read(At(7), 100, 100));
        Assert.Null(tail.Read(At(40), 100, 100));
        Assert.Null(tail.Read(At(41), 100, 100));
        Assert.Null(tail.Read(At(39, epoch: 2), 100, 100));
        AssertPage(9, 40, hasMore: false, tail.Read(At(8), 100, 100));
        AssertPage(40, 40, hasMore: false, tail.Read(At(39), 100, 100));
        Assert.Same(tail.Read(At(39), 100, 100), tail.Read(At(39), 1, 1));
    }

    [Fact]
    public void A_page_has_its_bounds_and_one_message_at_least()
    {
        TopicTail tail = Filled(new FakeTimeProvider(), count: 10, size: 100);
        AssertPage(6, 7, hasMore: true, tail.Read(At(5), 2, 1_000));
        AssertPage(6, 8, hasMore: true, tail.Read(At(5), 100, 350));
        AssertPage(6, 6, hasMore: true, tail.Read(At(5), 100, 1));
        AssertPage(10, 10, hasMore: false, tail.Read(At(9), 100, 1));
    }

    [Fact]
    public void Large_messages_are_not_kept()
    {
        TopicTail tail = Filled(new FakeTimeProvider(), count: 10, size: 5_000);
        Assert.Null(tail.Read(At(6), 100, 100_000));
        AssertPage(8, 10, hasMore: false, tail.Read(At(7), 100, 100_000));
        tail.Add(Message(At(11), 20_000));
        Assert.Null(tail.Read(At(10), 100, 100_000));
        tail.Add(Message(At(12), 1));
        AssertPage(12, 12, hasMore: false, tail.Read(At(11), 100, 100_000));
        Assert.Null(tail.Read(At(10), 100, 100_000));
    }

    [Fact]
    public void Behind_a_hole_it_begins_anew()
    {
        TopicTail tail = Filled(new FakeTimeProvider(), count: 10, size: 1);
        tail.Add(Message(At(12), 1));
        Assert.Null(tail.Read(At(10), 100, 100));
        AssertPage(12, 12, hasMore: false, tail.Read(At(11), 100, 100));
        tail.Add(Message(At(13, epoch: 2), 1));
        Assert.Null(tail.Read(At(11), 100, 100));
    }

    [Fact]
    public void What_is_no_more_new_is_for_the_log_to_give()
    {
        var time = new FakeTimeProvider();
        TopicTail tail = Filled(time, count: 2, size: 1);
        time.Advance(TimeSpan.FromSeconds(4));
        tail.Add(Message(At(3), 1));
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Null(tail.Read(At(1), 100, 100));
        AssertPage(3, 3, hasMore: false, tail.Read(At(2), 100, 100));
        time.Advance(TimeSpan.FromSeconds(4));
        Assert.Null(tail.Read(At(2), 100, 100));
    }

    private static TopicTail Filled(TimeProvider time, int count, int size)
    {
        var tail = new TopicTail(time);
        for (int i = 1; i <= count; i++)
        {
            tail.Add(Message(At(i), size));
        }

        return tail;
    }

    private static TopicMessage Message(TopicPosition position, int size) => new(position, MessageType.Binary, new byte[size]);

    private static void AssertPage(long first, long last, bool hasMore, TopicPage? page)
    {
        Assert.Equal(Enumerable.Range((int)first, (int)(last - first + 1)).Select(offset => At(offset)), page!.Messages.Select(message => message.Position));
        Assert.Equal((At(last), hasMore, false), (page.Next, page.HasMore, page.IsReset));
    }
}
