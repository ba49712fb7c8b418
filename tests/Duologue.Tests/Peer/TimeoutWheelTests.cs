using System.Collections.Concurrent;
using Duologue.Peer;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Peer;

public sealed class TimeoutWheelTests
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(TimeoutWheel.TickMilliseconds);

    private readonly FakeTimeProvider _time = new();
    private readonly TimeoutWheel _wheel;

    public TimeoutWheelTests() => _wheel = TimeoutWheel.For(_time);

    [Fact]
    public void Connections_of_one_clock_share_a_wheel()
    {
        Assert.Same(_wheel, TimeoutWheel.For(_time));
        Assert.NotSame(_wheel, TimeoutWheel.For(new FakeTimeProvider()));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(49)]
    [InlineData(50)]
    [InlineData(51)]
    [InlineData(5_000)]
    [InlineData(51_150)]
    [InlineData(51_200)]
    [InlineData(51_250)]
    [InlineData(200_000)]
    public void Fires_once_never_early_and_at_most_two_ticks_late(int milliseconds)
    {
        foreach (int offset in (int[])[0, 1, 25, 49])
        {
            _time.Advance(TimeSpan.FromMilliseconds(offset));
            var target = new Target(_time);
            TimeSpan delay = TimeSpan.FromMilliseconds(milliseconds);
            DateTimeOffset start = _time.GetUtcNow();
            _wheel.Schedule(target, delay);
            while (target.Fired.IsEmpty)
            {
                _time.Advance(TimeSpan.FromMilliseconds(10));
                Assert.True(_time.GetUtcNow() - start < delay + TimeSpan.FromSeconds(1));
            }

            TimeSpan took = target.Fired.Single() - start;
            Assert.InRange(took, delay, delay + (3 * Tick));
            _time.Advance(TimeSpan.FromMinutes(3));
            Assert.Single(target.Fired);
            Assert.Equal(0, _wheel.Count);
        }
    }

    [Fact]
    public void Rescheduling_replaces_the_deadline()
    {
        var target = new Target(_time);
        _wheel.Schedule(target, TimeSpan.FromSeconds(1));
        _wheel.Schedule(target, TimeSpan.FromSeconds(10));
        Assert.Equal(1, _wheel.Count);
        _time.Advance(TimeSpan.FromSeconds(9));
        Assert.Empty(target.Fired);
        _wheel.Schedule(target, TimeSpan.FromSeconds(2));
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Single(target.Fired);
    }

    [Fact]
    public void Cancelling_removes_it_whether_it_is_there_or_not()
    {
        var target = new Target(_time);
        _wheel.Cancel(target);
        _wheel.Schedule(target, TimeSpan.FromSeconds(1));
        _wheel.Cancel(target);
        _wheel.Cancel(target);
        Assert.Equal(0, _wheel.Count);
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Empty(target.Fired);
    }

    [Fact]
    public void Neighbours_in_a_slot_do_not_disturb_each_other()
    {
        Target[] targets = [.. Enumerable.Range(0, 10).Select(_ => new Target(_time))];
        foreach (Target target in targets)
        {
            _wheel.Schedule(target, TimeSpan.FromSeconds(1));
        }

        _wheel.Cancel(targets[0]);
        _wheel.Cancel(targets[5]);
        _wheel.Cancel(targets[9]);
        _wheel.Schedule(targets[4], TimeSpan.FromSeconds(20));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal([1, 2, 3, 6, 7, 8], Enumerable.Range(0, 10).Where(i => !targets[i].Fired.IsEmpty));
        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.Single(targets[4].Fired);
    }

    [Fact]
    public void A_turn_apart_is_not_the_same_time()
    {
        var near = new Target(_time);
        var far = new Target(_time);
        _wheel.Schedule(far, TimeSpan.FromMilliseconds(5000 + (1024 * TimeoutWheel.TickMilliseconds)));
        _wheel.Schedule(near, TimeSpan.FromMilliseconds(5000));
        _time.Advance(TimeSpan.FromSeconds(6));
        Assert.Single(near.Fired);
        Assert.Empty(far.Fired);
        _time.Advance(TimeSpan.FromSeconds(51.2));
        Assert.Single(far.Fired);
    }

    [Fact]
    public void A_clock_that_jumps_over_turns_fires_what_is_due_and_keeps_the_rest()
    {
        _time.AutoAdvanceAmount = TimeSpan.Zero;
        var due = new Target(_time);
        var later = new Target(_time);
        _wheel.Schedule(due, TimeSpan.FromSeconds(70));
        _wheel.Schedule(later, TimeSpan.FromHours(10));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Single(due.Fired);
        Assert.Empty(later.Fired);
        _time.Advance(TimeSpan.FromHours(9.1));
        Assert.Single(later.Fired);
    }

    [Fact]
    public void A_target_may_schedule_itself_again_when_it_fires()
    {
        var target = new Target(_time);
        target.OnFired = () => _wheel.Schedule(target, TimeSpan.FromSeconds(1));
        _wheel.Schedule(target, TimeSpan.FromSeconds(1));
        for (int i = 0; i < 200; i++)
        {
            _time.Advance(Tick);
        }

        Assert.InRange(target.Fired.Count, 8, 10);
    }

    [Fact]
    public void Works_after_it_was_idle_for_long()
    {
        var target = new Target(_time);
        _wheel.Schedule(target, Tick);
        _time.Advance(TimeSpan.FromSeconds(1));
        _time.Advance(TimeSpan.FromDays(30));
        _wheel.Schedule(target, TimeSpan.FromSeconds(1));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(2, target.Fired.Count);
    }

    [Fact]
    public void Many_threads_may_use_it_at_once()
    {
        Target[] targets = [.. Enumerable.Range(0, 100).Select(_ => new Target(_time))];
        Parallel.For(0, 20_000, i =>
        {
            Target target = targets[i * 7919 % targets.Length];
            if (i % 3 == 0)
            {
                _wheel.Cancel(target);
            }
            else
            {
                _wheel.Schedule(target, TimeSpan.FromMilliseconds(i % 1000));
            }
        });
        Assert.InRange(_wheel.Count, 0, 100);
        int scheduled = _wheel.Count;
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(0, _wheel.Count);
        Assert.Equal(scheduled, targets.Sum(target => target.Fired.Count));
    }

    private sealed class Target(TimeProvider time) : ITimeoutTarget
    {
        private TimeoutLink _link;

        public ConcurrentQueue<DateTimeOffset> Fired { get; } = [];

        public Action? OnFired { get; set; }

        ref TimeoutLink ITimeoutTarget.Link => ref _link;

        void ITimeoutTarget.OnTimeout()
        {
            Fired.Enqueue(time.GetUtcNow());
            OnFired?.Invoke();
        }
    }
}
