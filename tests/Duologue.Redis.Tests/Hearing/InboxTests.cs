using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net.WebSockets;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Redis.Tests;

/// <summary>What a node has heard of, and hands out together.</summary>
public class InboxTests
{
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(10);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(int.MaxValue / 2)]
    public async Task Messages_are_handed_out_in_their_order_one_batch_at_a_time(int deliveries)
    {
        ConcurrentQueue<int> handedOut = new();
        int inside = 0;
        bool overlapped = false;
        using Inbox inbox = new(together =>
        {
            overlapped |= Interlocked.Increment(ref inside) != 1;
            foreach (AppendedMessage appended in together)
            {
                handedOut.Enqueue((int)appended.Message.Position.Offset);
            }

            Interlocked.Decrement(ref inside);
            return new FanoutReach(deliveries, deliveries);
        }, NoGap, TimeProvider.System, Gathering);
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
        using Inbox inbox = new(together =>
        {
            int bytes = 0;
            foreach (AppendedMessage appended in together)
            {
                bytes += appended.Message.Data.Length;
            }

            batches.Enqueue((together.Length, bytes));
            begun.Set();
            Assert.True(mayGoOn.Wait(Node.Patience));
            return default;
        }, NoGap, TimeProvider.System, Gathering);
        inbox.Add(Message(1, 10));
        Assert.True(begun.Wait(Node.Patience, Token));
        int[] sizes = [.. Enumerable.Repeat(10, Inbox.MaxCount + 6), Inbox.MaxBytes * 2, 1, Inbox.MaxBytes];
        for (int i = 0; i < sizes.Length; i++)
        {
            inbox.Add(Message(i + 2, sizes[i]));
        }

        mayGoOn.Set();
        await Eventually.True(() => batches.Sum(batch => batch.Count) == 1 + sizes.Length);
        Assert.Equal([(1, 10), (Inbox.MaxCount, Inbox.MaxCount * 10), (6, 60), (1, Inbox.MaxBytes * 2), (1, 1), (1, Inbox.MaxBytes)], batches);
    }

    [Fact]
    public async Task What_comes_right_after_a_large_fan_out_gathers_and_leaves_together()
    {
        FakeTimeProvider time = new();
        ConcurrentQueue<int> batches = new();
        using Inbox inbox = Counting(time, batches, deliveries: int.MaxValue);
        inbox.Add(Message(1, 10));
        await inbox.WhenHandedOutAsync().WaitAsync(Node.Patience, Token);
        for (int i = 2; i <= 9; i++)
        {
            inbox.Add(Message(i, 10));
        }

        time.Advance(Gathering - TimeSpan.FromMilliseconds(1));
        Task rest = inbox.WhenHandedOutAsync();
        Assert.False(rest.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        await rest.WaitAsync(Node.Patience, Token);
        Assert.Equal([1, 8], batches);
    }

    [Fact]
    public async Task What_comes_some_time_after_a_large_fan_out_leaves_at_once()
    {
        FakeTimeProvider time = new();
        ConcurrentQueue<int> batches = new();
        using Inbox inbox = Counting(time, batches, deliveries: int.MaxValue);
        for (int i = 1; i <= 3; i++)
        {
            inbox.Add(Message(i, 10));
            await inbox.WhenHandedOutAsync().WaitAsync(Node.Patience, Token);
            time.Advance(Gathering);
        }

        Assert.Equal([1, 1, 1], batches);
    }

    [Theory]
    [InlineData(20, 10)]
    [InlineData(int.MaxValue, 0)]
    public async Task Nothing_waits_after_a_small_fan_out_or_where_gathering_is_switched_off(int deliveries, int gathering)
    {
        // The time stands still: who waited would wait for ever.
        ConcurrentQueue<int> batches = new();
        using Inbox inbox = Counting(new FakeTimeProvider(), batches, deliveries, TimeSpan.FromMilliseconds(gathering));
        for (int i = 1; i <= 2; i++)
        {
            inbox.Add(Message(i, 10));
            await inbox.WhenHandedOutAsync().WaitAsync(Node.Patience, Token);
        }

        Assert.Equal([1, 1], batches);
    }

    [Fact]
    public async Task What_did_not_fit_into_one_batch_waits_for_nothing()
    {
        FakeTimeProvider time = new();
        ConcurrentQueue<int> batches = new();
        using Inbox inbox = Counting(time, batches, deliveries: int.MaxValue);
        inbox.Add([.. Enumerable.Range(1, Inbox.MaxCount + 1).Select(i => Message(i, 10))]);
        await inbox.WhenHandedOutAsync().WaitAsync(Node.Patience, Token);
        Assert.Equal([Inbox.MaxCount, 1], batches);
    }

    [Fact]
    public void The_last_of_what_was_heard_for_now_is_handed_out_by_who_heard_of_it()
    {
        ConcurrentQueue<(int Count, int Thread)> batches = new();
        using Inbox inbox = Telling(batches, new FakeTimeProvider(), TimeSpan.Zero);
        for (int i = 1; i <= 3; i++)
        {
            inbox.Add([Message(i, 10), Message(i, 10)], isLast: true);
            Assert.Equal(Enumerable.Repeat((2, Environment.CurrentManagedThreadId), i), batches);
        }
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 1)]
    public void More_is_there_to_be_heard_or_the_last_hand_out_was_slow_so_another_thread_hands_out(bool isLast, int milliseconds)
    {
        ConcurrentQueue<(int Count, int Thread)> batches = new();
        using Inbox inbox = Telling(batches, new FakeTimeProvider(), TimeSpan.FromMilliseconds(milliseconds));
        inbox.Add([Message(1, 10)], isLast: true);
        inbox.Add([Message(2, 10)], isLast);

        // Without an await, so that this thread cannot be the other one.
        Assert.True(SpinWait.SpinUntil(() => batches.Count == 2, Node.Patience));
        Assert.Equal([true, false], batches.Select(batch => batch.Thread == Environment.CurrentManagedThreadId));
    }

    [Theory]
    [InlineData(Inbox.MaxHeldCount, 1)]
    [InlineData(4, Inbox.MaxHeldBytes / 4)]
    public async Task More_than_it_may_hold_was_held_for_a_fan_out_that_is_slow(int fit, int size)
    {
        using ManualResetEventSlim begun = new(), mayGoOn = new();
        ConcurrentQueue<int> handedOut = new();
        ConcurrentQueue<InboxGap> gaps = new();
        using Inbox inbox = new(
            together =>
            {
                begun.Set();
                Assert.True(mayGoOn.Wait(Node.Patience));
                foreach (AppendedMessage appended in together)
                {
                    handedOut.Enqueue((int)appended.Message.Position.Offset);
                }

                return default;
            },
            gaps.Enqueue,
            TimeProvider.System,
            Gathering);
        inbox.Add(Message(0, 0));
        Assert.True(begun.Wait(Node.Patience, Token));

        // The one that is being handed out counts as held.
        for (int i = 1; i <= fit + 2; i++)
        {
            inbox.Add(Message(i, size));
        }

        inbox.Add(Message(1, size, "other"));
        mayGoOn.Set();
        int held = size == 1 ? fit - 1 : fit;
        await Eventually.True(() => handedOut.Count == 1 + held && gaps.Sum(gap => gap.Count) == fit + 3 - held);
        Assert.Equal(Enumerable.Range(0, 1 + held), handedOut);
        InboxGap gap = Assert.Single(gaps);
        Assert.Equal(0, gap.CountOfOthers);
        Assert.Equal(new Dictionary<string, TopicPosition> { ["t"] = new(1, held + 1), ["other"] = new(1, 1) }, gap.Topics);

        // There is room again.
        inbox.Add(Message(fit + 3, size));
        await Eventually.True(() => handedOut.Count == 2 + held);
    }

    [Fact]
    public async Task Topics_without_end_are_not_remembered_by_name()
    {
        using ManualResetEventSlim begun = new(), mayGoOn = new();
        ConcurrentQueue<InboxGap> gaps = new();
        using Inbox inbox = new(
            _ =>
            {
                begun.Set();
                Assert.True(mayGoOn.Wait(Node.Patience));
                return default;
            },
            gaps.Enqueue,
            TimeProvider.System,
            Gathering);
        inbox.Add(Message(1, Inbox.MaxHeldBytes));
        Assert.True(begun.Wait(Node.Patience, Token));
        for (int i = 0; i <= Inbox.MaxGapTopics; i++)
        {
            inbox.Add(Message(1, 1, $"{i}"));
        }

        mayGoOn.Set();
        await Eventually.True(() => !gaps.IsEmpty);
        InboxGap gap = Assert.Single(gaps);
        Assert.Equal((Inbox.MaxGapTopics + 1, Inbox.MaxGapTopics, 1), (gap.Count, gap.Topics.Count, gap.CountOfOthers));
    }

    [Theory]
    [InlineData("garnet")]
    [InlineData("redis")]
    public async Task What_a_node_could_not_keep_up_with_its_subscribers_have_from_the_log(string kind)
    {
        const int Count = Inbox.MaxHeldCount + 500;
        await using StoreServer store = StoreServer.Start(kind);
        void Keep(DuologueOptions options) => options.TopicHistories["**"] = new TopicHistory { MaxCount = Count };
        await using Node publisher = await Node.StartAsync(store, duologue: Keep);
        await using Node slow = await Node.StartAsync(store, duologue: Keep);
        long dropped = 0;
        using var meter = new MeterListener();
        meter.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "duologue.redis.notifications.dropped" && instrument.Meter.Scope == slow.Services.GetRequiredService<IMeterFactory>())
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        meter.SetMeasurementEventCallback<long>((_, measurement, _, _) => Interlocked.Add(ref dropped, measurement));
        meter.Start();
        using var socket = new ClientWebSocket();
        Connection connection = await slow.ConnectAsync(socket);
        using ManualResetEventSlim begun = new(), mayGoOn = new();
        connection.Subscribe("hold/*", _ =>
        {
            begun.Set();
            return mayGoOn.Wait(Node.Patience);
        });
        Assert.True((await connection.SubscribeAsync("t", TopicStart.Now, Token)).IsSubscribed);
        connection.Subscribe("late/*");

        await publisher.Topics.PublishAsync("hold/x", "held", Token);
        Assert.True(begun.Wait(Node.Patience, Token));
        List<Task> publishes = [];
        for (int i = 0; i < Count; i++)
        {
            publishes.Add(publisher.Topics.PublishAsync("t", $"{i}", Token).AsTask());
            if (publishes.Count == 1_000)
            {
                await Task.WhenAll(publishes);
                publishes.Clear();
            }
        }

        await Task.WhenAll(publishes);
        await publisher.Topics.PublishAsync("late/x", "late", Token);
        await slow.Broker.HearAllAsync();
        mayGoOn.Set();

        List<string> texts = [];
        while (texts.Count < Count + 2)
        {
            texts.Add(await socket.ReceiveTextAsync());
        }

        Assert.Equal(Enumerable.Range(0, Count).Select(i => $"{i}"), texts.Where(text => char.IsAsciiDigit(text[0])));
        Assert.Equal(["held", "late"], texts.Where(text => !char.IsAsciiDigit(text[0])).Order());
        Assert.InRange(Interlocked.Read(ref dropped), Count - Inbox.MaxHeldCount, Count + 1);
        Assert.True(slow.HasLogged("RedisNotificationsDropped"));
    }

    [Fact]
    public void What_was_let_go_of_is_read_from_its_first_on_and_of_a_topic_that_began_anew_from_the_first_of_its_last_life()
    {
        var gap = new InboxGap();
        gap.Add(Message(5, 1));
        gap.Add(Message(6, 1));
        Assert.Equal(new TopicPosition(1, 5), gap.Topics["t"]);
        gap.Add(new AppendedMessage("t", new TopicMessage(new TopicPosition(2, 1), MessageType.Binary, new byte[1])));
        gap.Add(new AppendedMessage("t", new TopicMessage(new TopicPosition(2, 2), MessageType.Binary, new byte[1])));
        Assert.Equal((new TopicPosition(2, 1), 4), (gap.Topics["t"], gap.Count));
    }

    private static Inbox Counting(TimeProvider time, ConcurrentQueue<int> batches, int deliveries) => Counting(time, batches, deliveries, Gathering);

    private static Inbox Counting(TimeProvider time, ConcurrentQueue<int> batches, int deliveries, TimeSpan gathering) => new(
        together =>
        {
            batches.Enqueue(together.Length);
            return new FanoutReach(deliveries, deliveries);
        },
        NoGap,
        time,
        gathering);

    private static Inbox Telling(ConcurrentQueue<(int Count, int Thread)> batches, FakeTimeProvider time, TimeSpan takes) => new(
        together =>
        {
            time.Advance(takes);
            batches.Enqueue((together.Length, Environment.CurrentManagedThreadId));
            return new FanoutReach(1, 1);
        },
        NoGap,
        time,
        Gathering);

    private static void NoGap(InboxGap gap) => Assert.Fail("Nothing was to be let go of.");

    private static AppendedMessage Message(int offset, int size, string topic = "t") => new(topic, new TopicMessage(new TopicPosition(1, offset), MessageType.Binary, new byte[size]));
}
