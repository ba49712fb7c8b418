using System.Collections.Concurrent;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;

namespace Duologue.Redis.Tests;

/// <summary>What a node has heard of, and hands out together.</summary>
public class InboxTests
{
    [Fact]
    public async Task Messages_are_handed_out_in_their_order_one_batch_at_a_time()
    {
        ConcurrentQueue<int> handedOut = new();
        int inside = 0;
        bool overlapped = false;
        Inbox inbox = new(together =>
        {
            overlapped |= Interlocked.Increment(ref inside) != 1;
            foreach (AppendedMessage appended in together)
            {
                handedOut.Enqueue((int)appended.Message.Position.Offset);
            }

            Interlocked.Decrement(ref inside);
        });
        for (int i = 1; i <= 10_000; i++)
        {
            inbox.Add(Message(i, 10));
        }

        await Eventually.True(() => handedOut.Count == 10_000);
        Assert.Equal(Enumerable.Range(1, 10_000), handedOut);
        Assert.False(overlapped);
    }

    [Fact]
    public async Task What_came_while_a_batch_was_handed_out_leaves_together_within_the_bounds()
    {
        using ManualResetEventSlim begun = new(), mayGoOn = new();
        ConcurrentQueue<(int Count, int Bytes)> batches = new();
        Inbox inbox = new(together =>
        {
            int bytes = 0;
            foreach (AppendedMessage appended in together)
            {
                bytes += appended.Message.Data.Length;
            }

            batches.Enqueue((together.Length, bytes));
            begun.Set();
            Assert.True(mayGoOn.Wait(Node.Patience));
        });
        inbox.Add(Message(1, 10));
        Assert.True(begun.Wait(Node.Patience, TestContext.Current.CancellationToken));
        int[] sizes = [.. Enumerable.Repeat(10, 70), Inbox.MaxBytes * 2, 1, Inbox.MaxBytes];
        for (int i = 0; i < sizes.Length; i++)
        {
            inbox.Add(Message(i + 2, sizes[i]));
        }

        mayGoOn.Set();
        await Eventually.True(() => batches.Sum(batch => batch.Count) == 1 + sizes.Length);
        Assert.Equal([(1, 10), (Inbox.MaxCount, Inbox.MaxCount * 10), (6, 60), (1, Inbox.MaxBytes * 2), (1, 1), (1, Inbox.MaxBytes)], batches);
    }

    private static AppendedMessage Message(int offset, int size) => new("t", new TopicMessage(new TopicPosition(1, offset), MessageType.Binary, new byte[size]));
}
