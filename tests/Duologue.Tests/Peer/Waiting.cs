using System.Diagnostics;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Peer;

/// <summary>Waiting on conditions: generous in real time, small steps in virtual time.</summary>
internal static class Waiting
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Fails, rather than hanging, if the task does not complete.</summary>
    public static Task Soon(this Task task) => task.WaitAsync(Limit, Token);

    /// <inheritdoc cref="Soon(Task)"/>
    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Limit, Token);

    /// <inheritdoc cref="Soon(Task)"/>
    public static Task<T> Soon<T>(this ValueTask<T> task) => task.AsTask().WaitAsync(Limit, Token);

    /// <inheritdoc cref="Soon(Task)"/>
    public static Task Soon(this ValueTask task) => task.AsTask().WaitAsync(Limit, Token);

    /// <summary>Waits until a condition holds that nobody announces.</summary>
    public static async Task Until(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < Limit, "The condition did not come to hold.");
            await Task.Delay(1, Token);
        }
    }

    /// <summary>Lets virtual time pass until the task completes, at most so much. Returns how much passed.</summary>
    public static async Task<TimeSpan> PassUntil(this FakeTimeProvider time, Task task, TimeSpan most)
    {
        TimeSpan passed = TimeSpan.Zero;
        while (!task.IsCompleted)
        {
            Assert.True(passed < most, $"Nothing happened within {most} of virtual time.");
            time.Advance(TimeSpan.FromMilliseconds(50));
            passed += TimeSpan.FromMilliseconds(50);
            await Settle(task);
        }

        return passed;
    }

    /// <summary>
    /// Lets virtual time pass until the task completes, which must be within these bounds. Past the upper one the clock stands still: what is due by
    /// then may take as long as a busy machine makes it, and what is not due never comes.
    /// </summary>
    public static async Task<TimeSpan> PassUntil(this FakeTimeProvider time, Task task, TimeSpan least, TimeSpan most)
    {
        TimeSpan passed = TimeSpan.Zero;
        while (!task.IsCompleted && passed < most)
        {
            time.Advance(TimeSpan.FromMilliseconds(50));
            passed += TimeSpan.FromMilliseconds(50);
            await Settle(task);
        }

        await Until(() => task.IsCompleted);
        Assert.True(passed >= least, $"It happened after {passed}, before {least}.");
        return passed;
    }

    /// <summary>Lets virtual time pass; what it causes has a little real time to happen after each step.</summary>
    public static async Task Pass(this FakeTimeProvider time, TimeSpan span)
    {
        for (TimeSpan passed = TimeSpan.Zero; passed < span; passed += TimeSpan.FromMilliseconds(50))
        {
            time.Advance(TimeSpan.FromMilliseconds(50));
            await Task.Delay(1, Token);
        }
    }

    private static async Task Settle(Task task)
    {
        for (int i = 0; i < 5 && !task.IsCompleted; i++)
        {
            await Task.Yield();
        }

        if (!task.IsCompleted)
        {
            await Task.Delay(1, Token);
        }
    }
}
