using System.Globalization;
using CsCheck;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Pubsub;

/// <summary>The log in memory against a list that keeps everything.</summary>
public class MemoryBrokerTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Whatever_happens_a_reader_has_what_the_list_has_or_is_told_what_it_lost()
    {
        Gen<Operation> operation = Gen.Frequency(
            (6, Gen.Int[0, 40].Select(size => new Operation(Kind.Append, size))),
            (6, Gen.Int[0, 5].Select(key => new Operation(Kind.AppendOnce, key))),
            (5, Gen.Int[0, 2].Select(reader => new Operation(Kind.Read, reader))),
            (1, Gen.Int[0, 2].Select(reader => new Operation(Kind.Forget, reader))),
            (2, Gen.Int[1, 90].Select(seconds => new Operation(Kind.Pass, seconds))),
            (1, Gen.Const(new Operation(Kind.Pass, 601))));
        Gen.Select(Gen.Int[0, 6], Gen.Int[0, 120], Gen.Int[1, 4], operation.Array[1, 60]).Sample((count, bytes, keys, operations) => Play(count, bytes, keys, operations), iter: 2_000);
    }

    [Fact]
    public void A_page_ends_at_the_count_or_at_the_bytes_but_has_one_message()
    {
        using var broker = new MemoryBroker(new DuologueOptions(), TimeProvider.System);
        for (int i = 0; i < 10; i++)
        {
            broker.Append("t", Message(i, 100));
        }

        TopicPage page = broker.Read("t", TopicStart.Oldest, 3, int.MaxValue);
        Assert.Equal((3, true), (page.Messages.Count, page.HasMore));
        page = broker.Read("t", TopicStart.After(page.Next), 100, 250);
        Assert.Equal((2, true), (page.Messages.Count, page.HasMore));
        page = broker.Read("t", TopicStart.After(page.Next), 100, 1);
        Assert.Equal((1, true), (page.Messages.Count, page.HasMore));
        page = broker.Read("t", TopicStart.After(page.Next), 4, int.MaxValue);
        Assert.Equal((4, false), (page.Messages.Count, page.HasMore));
        Assert.Equal(10, page.Next.Offset);
    }

    [Fact]
    public void Who_was_there_before_the_first_message_misses_nothing()
    {
        var time = new FakeTimeProvider(Start);
        using var broker = new MemoryBroker(new DuologueOptions(), time);
        TopicPosition before = broker.Read("t", TopicStart.Now, 10, 1000).Next;
        Assert.Equal(before, broker.Read("t", TopicStart.After(before), 10, 1000).Next);
        time.Advance(TimeSpan.FromMinutes(1));
        broker.Append("t", Message(1, 1));
        time.Advance(TimeSpan.FromMinutes(1));

        TopicPage page = broker.Read("t", TopicStart.After(before), 10, 1000);

        Assert.False(page.IsReset);
        Assert.Single(page.Messages);
    }

    [Fact]
    public void A_place_before_the_first_message_is_renewed_before_it_is_too_old()
    {
        var time = new FakeTimeProvider(Start);
        using var broker = new MemoryBroker(new DuologueOptions(), time);
        TopicPosition here = broker.Read("t", TopicStart.Now, 10, 1000).Next;
        for (int i = 0; i < 30; i++)
        {
            time.Advance(TimeSpan.FromMinutes(1));
            TopicPage page = broker.Read("t", TopicStart.After(here), 10, 1000);
            Assert.True(page.IsEmpty);
            here = page.Next;
        }

        time.Advance(TimeSpan.FromMinutes(11));
        Assert.True(broker.Read("t", TopicStart.After(here), 10, 1000).IsReset);
    }

    [Fact]
    public void A_place_of_another_process_is_gone()
    {
        var time = new FakeTimeProvider(Start);
        TopicPosition before;
        using (var first = new MemoryBroker(new DuologueOptions(), time))
        {
            before = first.Read("t", TopicStart.Now, 10, 1000).Next;
        }

        time.Advance(TimeSpan.FromSeconds(1));
        using var second = new MemoryBroker(new DuologueOptions(), time);

        Assert.True(second.Read("t", TopicStart.After(before), 10, 1000).IsReset);
        second.Append("t", Message(1, 1));
        TopicPage page = second.Read("t", TopicStart.After(before), 10, 1000);
        Assert.True(page.IsReset);
        Assert.Null(page.Lost);
        Assert.Single(page.Messages);
    }

    [Fact]
    public void A_place_that_was_never_given_is_gone()
    {
        using var broker = new MemoryBroker(new DuologueOptions(), TimeProvider.System);
        broker.Append("t", Message(1, 1));
        TopicPosition head = broker.Read("t", TopicStart.Now, 10, 1000).Next;

        Assert.True(broker.Read("t", TopicStart.After(head with { Offset = 2 }), 10, 1000).IsReset);
        Assert.True(broker.Read("t", TopicStart.After(head with { Epoch = long.MaxValue }), 10, 1000).IsReset);
        Assert.True(broker.Read("other", TopicStart.After(new TopicPosition(long.MaxValue, 0)), 10, 1000).IsReset);
    }

    [Theory]
    [InlineData(100_000, 0)]
    [InlineData(0, -60)]
    public async Task A_place_that_was_ahead_of_the_clock_hid_that_a_topic_came_and_went(int others, int minutes)
    {
        var time = new SteppedTime(Start);
        using var broker = new MemoryBroker(new DuologueOptions { TopicIdleLifetime = TimeSpan.FromMinutes(1), MaxTopics = 0 }, time);
        for (int i = 0; i < others; i++)
        {
            // Many topics begin at once.
            broker.Pin(i.ToString(CultureInfo.InvariantCulture));
        }

        TopicPosition before = broker.Pin("t");
        await broker.UnsubscribeAsync("t");
        time.Step = TimeSpan.FromMinutes(minutes);
        time.Advance(TimeSpan.FromSeconds(1));
        broker.Append("t", Message(1, 1));
        time.Advance(TimeSpan.FromSeconds(70));
        Assert.Equal(others, broker.Count);

        Assert.True(broker.Read("t", TopicStart.After(before), 10, 1000).IsReset);
    }

    [Fact]
    public void A_topic_that_nobody_uses_is_forgotten_and_begins_anew()
    {
        var time = new FakeTimeProvider(Start);
        using var broker = new MemoryBroker(new DuologueOptions { TopicIdleLifetime = TimeSpan.FromMinutes(5) }, time);
        broker.Append("t", Message(1, 1));
        TopicPosition old = broker.Read("t", TopicStart.Now, 10, 1000).Next;
        time.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(1, broker.Count);
        Assert.Equal(old, broker.Read("t", TopicStart.Now, 10, 1000).Next);
        time.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(1, broker.Count);
        time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal((0, 0L), (broker.Count, broker.Bytes));

        broker.Append("t", Message(2, 1));
        TopicPage page = broker.Read("t", TopicStart.After(old), 10, 1000);
        Assert.True(page.IsReset);
        Assert.Null(page.Lost);
    }

    [Fact]
    public void A_topic_that_is_followed_is_not_forgotten()
    {
        var time = new FakeTimeProvider(Start);
        using var broker = new MemoryBroker(new DuologueOptions(), time);
        TopicPosition head = broker.Pin("t");
        broker.Append("t", Message(1, 1));
        time.Advance(TimeSpan.FromHours(2));

        Assert.Equal(1, broker.Count);
        TopicPage page = broker.Read("t", TopicStart.After(head), 10, 1000);
        Assert.Equal((true, 1L), (page.IsReset, page.Lost));
    }

    [Fact]
    public async Task A_topic_that_was_only_waited_for_takes_no_place()
    {
        using var broker = new MemoryBroker(new DuologueOptions { MaxTopics = 1 }, TimeProvider.System);
        TopicPosition head = broker.Pin("a");
        Assert.Throws<TopicLimitException>(() => broker.Append("b", Message(1, 1)));
        await broker.UnsubscribeAsync("a");
        broker.Append("b", Message(1, 1));
        Assert.True(broker.Read("a", TopicStart.After(head), 10, 1000).IsEmpty);
    }

    [Fact]
    public void The_most_specific_pattern_decides_what_is_kept()
    {
        var options = new DuologueOptions
        {
            TopicHistory = new TopicHistory { MaxCount = 1 },
            TopicHistories =
            {
                ["news/**"] = new TopicHistory { MaxCount = 2 },
                ["news/*/today"] = new TopicHistory { MaxCount = 3 },
                ["quiet/*"] = TopicHistory.None,
            },
        };
        using var broker = new MemoryBroker(options, TimeProvider.System);
        foreach ((string topic, int kept) in new[] { ("other", 1), ("news/a", 2), ("news/a/b", 2), ("news/a/today", 3), ("quiet/a", 0) })
        {
            for (int i = 0; i < 5; i++)
            {
                broker.Append(topic, Message(i, 1));
            }

            Assert.Equal(kept, broker.Read(topic, TopicStart.Oldest, 100, 1000).Messages.Count);
        }
    }

    [Fact]
    public void When_memory_is_short_a_topic_keeps_its_newest_message()
    {
        using var broker = new MemoryBroker(new DuologueOptions { MaxTopicHistoryBytes = 1_000 }, TimeProvider.System);
        for (int i = 0; i < 100; i++)
        {
            broker.Append("a", Message(i, 100));
        }

        Assert.InRange(broker.Bytes, 100, 1_100);
        broker.Append("b", Message(1, 2_000));
        broker.Append("b", Message(2, 2_000));
        TopicPage page = broker.Read("b", TopicStart.After(broker.Read("b", TopicStart.Now, 1, 1).Next with { Offset = 0 }), 10, int.MaxValue);
        Assert.Equal((1, true, 1L), (page.Messages.Count, page.IsReset, page.Lost));
    }

    [Fact]
    public void A_key_is_remembered_for_its_time_and_no_more_keys_than_may_be()
    {
        var time = new FakeTimeProvider(Start);
        var options = new DuologueOptions { TopicHistory = new TopicHistory { MaxCount = 0, MaxIdempotencyKeys = 2, MaxIdempotencyKeyAge = TimeSpan.FromMinutes(1) } };
        using var broker = new MemoryBroker(options, time);
        Assert.Equal((true, 1L), AppendOnce(broker, "a"));
        time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal((false, 1L), AppendOnce(broker, "a"));
        Assert.Equal((true, 2L), AppendOnce(broker, "b"));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((true, 3L), AppendOnce(broker, "a"));
        Assert.Equal((false, 2L), AppendOnce(broker, "b"));
        Assert.Equal((true, 4L), AppendOnce(broker, "c"));
        Assert.Equal((true, 5L), AppendOnce(broker, "b"));
    }

    [Fact]
    public void Keys_count_as_memory_and_go_with_the_topic()
    {
        var time = new FakeTimeProvider(Start);
        var options = new DuologueOptions { TopicIdleLifetime = TimeSpan.FromMinutes(5), MaxTopicHistoryBytes = 2_000, TopicHistory = TopicHistory.None };
        using var broker = new MemoryBroker(options, time);
        for (int i = 0; i < 100; i++)
        {
            AppendOnce(broker, $"{i,-20}".Replace(' ', '-'));
        }

        Assert.InRange(broker.Bytes, 100, 2_500);
        Assert.Equal((false, 100L), AppendOnce(broker, $"{99,-20}".Replace(' ', '-')));
        time.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal((0, 0L), (broker.Count, broker.Bytes));
        Assert.Equal((true, 1L), AppendOnce(broker, $"{99,-20}".Replace(' ', '-')));
    }

    private static (bool Appended, long Offset) AppendOnce(MemoryBroker broker, string key)
    {
        var message = new TopicMessage(Fanout.Encode("x", MessageFlags.None), MessageType.Text, isJson: false) { IdempotencyKey = key };
        return (broker.Append("t", message), message.Position.Offset);
    }

    private static TopicMessage Message(int number, int size) =>
        new(Fanout.Encode(number.ToString(CultureInfo.InvariantCulture).PadLeft(size, '0'), MessageFlags.None), MessageType.Text, isJson: false);

    // The model: every life of the topic with all that was ever appended to it; and what the limits leave.
    private static void Play(int maxCount, int maxBytes, int maxKeys, Operation[] operations)
    {
        var time = new FakeTimeProvider(Start);
        var limits = new TopicHistory
        {
            MaxCount = maxCount,
            MaxBytes = maxBytes,
            MaxAge = TimeSpan.FromSeconds(60),
            MaxIdempotencyKeys = maxKeys,
            MaxIdempotencyKeyAge = TimeSpan.FromSeconds(100),
        };
        using var broker = new MemoryBroker(new DuologueOptions { TopicHistory = limits }, time);
        var all = new List<(string Text, DateTimeOffset At)>();
        var keyed = new List<(string Key, int Index)>();
        int lifeStart = 0;
        DateTimeOffset lastUse = Start;
        bool exists = false;
        var readers = new (TopicPosition Position, int Have)?[3];
        foreach (Operation operation in operations)
        {
            switch (operation.Kind)
            {
                case Kind.Append:
                    string text = all.Count.ToString(CultureInfo.InvariantCulture).PadLeft(Math.Max(3, operation.Value), '0');
                    if (!exists)
                    {
                        (exists, lifeStart) = (true, all.Count);
                    }

                    Assert.True(broker.Append("t", new TopicMessage(Fanout.Encode(text, MessageFlags.None), MessageType.Text, isJson: false)));
                    all.Add((text, time.GetUtcNow()));
                    lastUse = time.GetUtcNow();
                    break;
                case Kind.AppendOnce:
                    AppendOnce(operation.Value.ToString(CultureInfo.InvariantCulture));
                    lastUse = time.GetUtcNow();
                    break;
                case Kind.Forget:
                    readers[operation.Value] = null;
                    break;
                case Kind.Pass:
                    time.Advance(TimeSpan.FromSeconds(operation.Value));
                    bool isThere = broker.Count == 1;
                    TimeSpan idle = time.GetUtcNow() - lastUse;
                    Assert.True(!exists || isThere || idle >= TimeSpan.FromMinutes(10));
                    Assert.True(!isThere || idle < TimeSpan.FromMinutes(11));
                    exists = isThere;
                    break;
                default:
                    Read(ref readers[operation.Value]);
                    break;
            }
        }

        void AppendOnce(string key)
        {
            if (!exists)
            {
                (exists, lifeStart) = (true, all.Count);
            }

            string text = all.Count.ToString(CultureInfo.InvariantCulture).PadLeft(3, '0');
            var message = new TopicMessage(Fanout.Encode(text, MessageFlags.None), MessageType.Text, isJson: false) { IdempotencyKey = key };
            int? first = keyed.Where(entry => entry.Index >= lifeStart).TakeLast(maxKeys)
                .Where(entry => entry.Key == key && time.GetUtcNow() - all[entry.Index].At <= limits.MaxIdempotencyKeyAge).Select(entry => (int?)entry.Index).LastOrDefault();
            Assert.Equal(first is null, broker.Append("t", message));
            Assert.Equal((first ?? all.Count) - lifeStart + 1, message.Position.Offset);
            if (first is null)
            {
                keyed.Add((key, all.Count));
                all.Add((text, time.GetUtcNow()));
            }
        }

        void Read(ref (TopicPosition Position, int Have)? reader)
        {
            TopicPage page = broker.Read("t", reader is { } known ? TopicStart.After(known.Position) : TopicStart.Oldest, 4, 1_000);
            lastUse = exists ? time.GetUtcNow() : lastUse;
            int kept = exists ? Kept() : all.Count;
            string[] got = [.. page.Messages.Select(message => message.Text)];
            int from = reader is { } r && !page.IsReset ? r.Have : kept;
            if (reader is { } before && !page.IsReset)
            {
                // Without a notice nothing may be missing: all that it has not is there.
                Assert.True(before.Have >= kept, $"{before.Have - kept} messages are missing, unsaid.");
            }

            if (page.IsReset && page.Lost is { } lost)
            {
                Assert.Equal(kept - reader!.Value.Have, lost);
            }

            Assert.Equal(all.Skip(from).Take(got.Length).Select(entry => entry.Text), got);
            int have = from + got.Length;
            Assert.Equal(have < all.Count, page.HasMore);
            Assert.True(have == all.Count || got.Length > 0);
            reader = (page.Next, have);
        }

        // Where what is kept begins.
        int Kept()
        {
            int first = all.Count;
            int bytes = 0;
            while (first > lifeStart)
            {
                (string text, DateTimeOffset at) = all[first - 1];
                bytes += text.Length;
                if (all.Count - first + 1 > maxCount || bytes > maxBytes || time.GetUtcNow() - at > limits.MaxAge)
                {
                    break;
                }

                first--;
            }

            return first;
        }
    }

    /// <summary>A clock that somebody sets, while time goes on.</summary>
    private sealed class SteppedTime(DateTimeOffset start) : FakeTimeProvider(start)
    {
        public TimeSpan Step { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Step;
    }

    private enum Kind
    {
        Append,
        AppendOnce,
        Read,
        Forget,
        Pass,
    }

    private readonly record struct Operation(Kind Kind, int Value);
}
