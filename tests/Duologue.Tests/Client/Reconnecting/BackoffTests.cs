using Duologue.Client;

namespace Duologue.Tests.Client.Reconnecting;

public class BackoffTests
{
    private static readonly Verdict Return = new(VerdictKind.Return, null);
    private static readonly Verdict Refused = new(VerdictKind.Refused, null);

    [Fact]
    public void The_wait_is_any_part_of_a_bound_that_doubles()
    {
        int[] bounds = [1, 2, 4, 8, 10, 10, 10];
        var longest = new TimeSpan[bounds.Length];
        var shortest = Enumerable.Repeat(TimeSpan.MaxValue, bounds.Length).ToArray();
        var options = new ReconnectOptions { InitialDelay = TimeSpan.FromSeconds(1), MaxDelay = TimeSpan.FromSeconds(10), Random = new Random(1) };
        for (int i = 0; i < 500; i++)
        {
            var backoff = new Backoff(options);
            for (int n = 0; n < bounds.Length; n++)
            {
                TimeSpan wait = backoff.AfterFailure(Return)!.Value;
                Assert.InRange(wait, TimeSpan.Zero, TimeSpan.FromSeconds(bounds[n]));
                longest[n] = wait > longest[n] ? wait : longest[n];
                shortest[n] = wait < shortest[n] ? wait : shortest[n];
            }
        }

        // Full jitter: of 500 some wait hardly at all, and some nearly all of it.
        Assert.All(bounds.Index(), bound => Assert.True(longest[bound.Index] > TimeSpan.FromSeconds(bound.Item * 0.9) && shortest[bound.Index] < TimeSpan.FromSeconds(bound.Item * 0.1)));
    }

    [Fact]
    public void It_never_gives_up_by_itself()
    {
        var backoff = new Backoff(new ReconnectOptions());
        Assert.All(Enumerable.Range(0, 5_000), _ => Assert.InRange(backoff.AfterFailure(Return)!.Value, TimeSpan.Zero, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void Attempts_and_refusals_in_a_row_may_be_limited()
    {
        var attempts = new Backoff(new ReconnectOptions { MaxAttempts = 2 });
        Assert.NotNull(attempts.AfterFailure(Return));
        attempts.Reset();
        Assert.NotNull(attempts.AfterFailure(Return));
        Assert.Null(attempts.AfterFailure(Return));

        var refusals = new Backoff(new ReconnectOptions { MaxRefusals = 2 });
        Assert.NotNull(refusals.AfterFailure(Refused));
        Assert.NotNull(refusals.AfterFailure(Return));
        Assert.NotNull(refusals.AfterFailure(Refused));
        Assert.Null(refusals.AfterFailure(Refused));
    }

    [Fact]
    public void A_conversation_that_ended_early_is_no_attempt_that_failed_though_it_is_waited_behind()
    {
        var backoff = new Backoff(new ReconnectOptions { MaxAttempts = 2, MaxRefusals = 2 });
        for (int i = 0; i < 10; i++)
        {
            Assert.NotNull(backoff.AfterConversation(Return, TimeSpan.FromMilliseconds(1)));
            Assert.Equal(0, backoff.Failures);
            Assert.NotNull(backoff.AfterFailure(Refused));
            Assert.Equal(1, backoff.Failures);
        }

        Assert.Null(backoff.AfterFailure(Return));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void As_many_attempts_may_fail_after_a_conversation_as_before_the_first(int most)
    {
        var backoff = new Backoff(new ReconnectOptions { MaxAttempts = most });
        Assert.NotNull(backoff.AfterConversation(Return, TimeSpan.FromHours(1)));
        Assert.All(Enumerable.Range(1, most - 1), _ => Assert.NotNull(backoff.AfterFailure(Return)));
        Assert.Null(backoff.AfterFailure(Return));
    }

    [Fact]
    public void What_the_server_says_is_waited_for_and_then_the_jitter()
    {
        var options = new ReconnectOptions { InitialDelay = TimeSpan.FromSeconds(1), MaxDelay = TimeSpan.FromSeconds(1), MaxRetryAfter = TimeSpan.FromSeconds(60) };
        var backoff = new Backoff(options);
        Assert.InRange(backoff.AfterFailure(new Verdict(VerdictKind.Return, TimeSpan.FromSeconds(20)))!.Value, TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(21));
        Assert.InRange(backoff.AfterFailure(new Verdict(VerdictKind.Return, TimeSpan.FromHours(20)))!.Value, TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(61));
    }

    [Fact]
    public void Those_who_are_sent_away_together_are_spread()
    {
        var options = new ReconnectOptions { InitialDelay = TimeSpan.FromMilliseconds(1), Spread = TimeSpan.FromSeconds(10) };
        TimeSpan[] waits = [.. Enumerable.Range(0, 200).Select(_ => new Backoff(options).AfterConversation(new Verdict(VerdictKind.Spread, null), TimeSpan.FromHours(1))!.Value)];
        Assert.InRange(waits.Max(), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(10));
        Assert.InRange(waits.Min(), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Null(new Backoff(options).AfterConversation(new Verdict(VerdictKind.End, null), TimeSpan.FromHours(1)));
    }

    [Fact]
    public void A_server_that_takes_all_and_ends_all_at_once_is_asked_ever_more_seldom()
    {
        var backoff = new Backoff(new ReconnectOptions { InitialDelay = TimeSpan.FromSeconds(1), MaxDelay = TimeSpan.FromSeconds(64), Random = new Random(2) });
        TimeSpan longest = Enumerable.Range(0, 60).Select(_ => backoff.AfterConversation(Return, TimeSpan.FromMilliseconds(1))!.Value).Max();
        Assert.InRange(longest, TimeSpan.FromSeconds(16), TimeSpan.FromSeconds(64));

        // One that lasted as long as the longest wait is a good one.
        Assert.InRange(backoff.AfterConversation(Return, TimeSpan.FromSeconds(64))!.Value, TimeSpan.Zero, TimeSpan.FromSeconds(1));
    }
}
