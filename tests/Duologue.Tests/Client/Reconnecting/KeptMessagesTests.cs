using Duologue.Client;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Client.Reconnecting;

public sealed class KeptMessagesTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<(MessageFate Fate, long[] Numbers)> _lost = [];
    private readonly KeptMessages _kept;

    public KeptMessagesTests() => _kept = new KeptMessages(_time, 10, (fate, messages) => _lost.Add((fate, [.. messages.Select(message => message.Number)])));

    public void Dispose() => _kept.Dispose();

    [Fact]
    public void While_away_some_wait_and_some_are_dropped()
    {
        Add(WhenAway.Keep);
        Add(WhenAway.Drop);
        Add(WhenAway.KeepFor(TimeSpan.FromSeconds(1)));
        Assert.Equal([(MessageFate.Dropped, "2")], Lost());
        Assert.Equal([1, 3], TakeAll());
    }

    [Fact]
    public void While_open_all_wait_and_a_cut_drops_those_that_are_not_kept()
    {
        _kept.Open();
        Add(WhenAway.Keep);
        Add(WhenAway.Drop);
        Add(WhenAway.Keep);
        Add(WhenAway.Drop);
        _kept.Close();
        Assert.Equal([(MessageFate.Dropped, "2"), (MessageFate.Dropped, "4")], Lost());
        Assert.Equal([1, 3], TakeAll());
    }

    [Fact]
    public void Between_the_first_and_the_last_of_those_that_were_told_as_lost_was_one_that_was_still_sent()
    {
        for (int i = 0; i < 2; i++)
        {
            Add(WhenAway.KeepFor(TimeSpan.FromSeconds(1)));
            Add(WhenAway.KeepFor(TimeSpan.FromSeconds(1)));
            Add(WhenAway.Keep);
        }

        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal([(MessageFate.Expired, "1 2"), (MessageFate.Expired, "4 5")], Lost());
        Assert.Equal([3, 6], TakeAll());
    }

    [Fact]
    public async Task A_time_that_is_over_is_told_when_it_is()
    {
        KeptMessage first = Add(WhenAway.KeepFor(TimeSpan.FromSeconds(10)));
        Add(WhenAway.KeepFor(TimeSpan.FromSeconds(5)));
        Add(WhenAway.Keep);
        _time.Advance(TimeSpan.FromSeconds(4));
        Assert.Empty(_lost);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal([(MessageFate.Expired, "2")], Lost());
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal([(MessageFate.Expired, "2"), (MessageFate.Expired, "1")], Lost());
        Assert.Equal(MessageFate.Expired, await first.Fate!.Task);
        Assert.Equal([3], TakeAll());
    }

    [Theory]
    [InlineData(60)]
    [InlineData(365_000)]
    [InlineData(10_675_199)]
    public void A_message_that_may_wait_longer_than_a_timer_can_made_the_sending_throw(int days)
    {
        var limit = TimeSpan.FromDays(days);
        Add(WhenAway.KeepFor(limit));
        _time.Advance(TimeSpan.FromDays(59));
        Assert.Empty(_lost);
        Add(WhenAway.KeepFor(TimeSpan.FromSeconds(1)));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal([(MessageFate.Expired, "2")], Lost());
        Assert.Equal([1], TakeAll());
    }

    [Fact]
    public void What_may_wait_for_two_months_expires_after_them()
    {
        Add(WhenAway.KeepFor(TimeSpan.FromDays(60)));
        _time.Advance(TimeSpan.FromDays(30));
        _time.Advance(TimeSpan.FromDays(29));
        Assert.Empty(_lost);
        _time.Advance(TimeSpan.FromDays(1) + TimeSpan.FromSeconds(1));
        Assert.Equal([(MessageFate.Expired, "1")], Lost());
    }

    [Fact]
    public void What_is_put_back_when_its_time_is_over_expires()
    {
        Add(WhenAway.KeepFor(TimeSpan.FromSeconds(1)));
        KeptMessage taken = _kept.TryTake()!;
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Empty(_lost);
        _kept.PutBack(taken);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal([(MessageFate.Expired, "1")], Lost());
    }

    [Fact]
    public void No_more_waits_than_may()
    {
        Add(WhenAway.Keep, 6);
        Add(WhenAway.Keep, 5);
        Add(WhenAway.Keep, 4);
        Assert.Equal([(MessageFate.Overflowed, "2")], Lost());
        Assert.Equal([1, 3], TakeAll());
        Add(WhenAway.Keep, 10);
        Assert.Single(_lost);
    }

    [Fact]
    public void What_nothing_has_left_of_comes_first_again()
    {
        Add(WhenAway.Keep);
        Add(WhenAway.Keep);
        _kept.PutBack(_kept.TryTake()!);
        Assert.Equal([1, 2], TakeAll());
    }

    [Fact]
    public void What_is_put_back_counts_among_what_waits()
    {
        Add(WhenAway.Keep, 6);
        _kept.PutBack(_kept.TryTake()!);
        Add(WhenAway.Keep, 5);
        Assert.Equal([(MessageFate.Overflowed, "2")], Lost());
    }

    [Fact]
    public async Task What_was_given_up_on_its_way_and_did_not_get_there_was_waited_for_until_the_client_was_back()
    {
        KeptMessage message = Add(WhenAway.Keep);
        KeptMessage taken = _kept.TryTake()!;
        using var giveUp = new CancellationTokenSource();
        Assert.False(_kept.TryRemove(message, giveUp.Token));
        _kept.PutBack(taken);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => message.Fate!.Task);
        Assert.Empty(TakeAll());
        Assert.Empty(_lost);
        Add(WhenAway.Keep, 10);
        Assert.Empty(_lost);
    }

    [Fact]
    public void At_the_end_all_are_dropped_and_so_is_what_comes_later()
    {
        Add(WhenAway.Keep);
        Add(WhenAway.Keep);
        _kept.End();
        Add(WhenAway.Keep);
        Assert.Equal([(MessageFate.Dropped, "1 2"), (MessageFate.Dropped, "3")], Lost());
    }

    private KeptMessage Add(WhenAway whenAway) => Add(whenAway, 1);

    private KeptMessage Add(WhenAway whenAway, int size) => _kept.Add(new byte[size], MessageType.Binary, whenAway, isWaitedFor: true);

    private (MessageFate Fate, string Numbers)[] Lost() => [.. _lost.Select(lost => (lost.Fate, string.Join(' ', lost.Numbers)))];

    private List<long> TakeAll()
    {
        List<long> all = [];
        while (_kept.TryTake() is { } message)
        {
            all.Add(message.Number);
        }

        return all;
    }
}
