using Duologue.Peer;

namespace Duologue.Tests.Peer;

public sealed class GateTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Threads_that_enter_at_once_go_in_one_after_the_other()
    {
        const int threads = 4;
        const int rounds = 50_000;
        var guarded = new Guarded();
        await OnThreads(threads, _ =>
        {
            for (int i = 0; i < rounds; i++)
            {
                guarded.Gate.Enter(guarded);
                guarded.Count++;
                guarded.Gate.Exit(guarded);
            }
        });
        Assert.Equal(threads * rounds, guarded.Count);
        Assert.Equal(0, guarded.Gate.Inside);
    }

    [Fact]
    public async Task Whoever_holds_it_for_long_is_waited_for_by_all_and_none_is_forgotten()
    {
        const int threads = 6;
        const int rounds = 40;
        var guarded = new Guarded();
        await OnThreads(threads, _ =>
        {
            for (int i = 0; i < rounds; i++)
            {
                guarded.Gate.Enter(guarded);
                long seen = guarded.Count;

                // Longer than anybody spins: the others go to sleep.
                Thread.Sleep(1);
                guarded.Count = seen + 1;
                guarded.Gate.Exit(guarded);
            }
        });
        Assert.Equal(threads * rounds, guarded.Count);
    }

    [Fact]
    public async Task A_thread_that_is_inside_may_enter_again_and_others_wait_for_its_last_exit()
    {
        var guarded = new Guarded();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        guarded.Gate.Enter(guarded);
        guarded.Gate.Enter(guarded);
        Assert.Equal(Environment.CurrentManagedThreadId, guarded.Gate.Inside);
        var other = new Thread(() =>
        {
            guarded.Gate.Enter(guarded);
            guarded.Count++;
            guarded.Gate.Exit(guarded);
            entered.SetResult();
        }) { IsBackground = true };
        other.Start();

        // Asleep, or about to be: either way it is not inside.
        Assert.True(SpinWait.SpinUntil(() => (other.ThreadState & ThreadState.WaitSleepJoin) != 0, Limit));
        guarded.Gate.Exit(guarded);
        Assert.Equal(Environment.CurrentManagedThreadId, guarded.Gate.Inside);
        Assert.Equal(0, guarded.Count);
        guarded.Gate.Exit(guarded);
        await entered.Task.WaitAsync(Limit, TestContext.Current.CancellationToken);
        Assert.Equal(1, guarded.Count);
    }

    [Fact]
    public async Task Threads_that_enter_again_go_in_one_after_the_other()
    {
        const int threads = 4;
        const int rounds = 20_000;
        var guarded = new Guarded();
        await OnThreads(threads, _ =>
        {
            for (int i = 0; i < rounds; i++)
            {
                guarded.Gate.Enter(guarded);
                guarded.Gate.Enter(guarded);
                guarded.Count++;
                guarded.Gate.Exit(guarded);
                guarded.Count++;
                guarded.Gate.Exit(guarded);
            }
        });
        Assert.Equal(2 * threads * rounds, guarded.Count);
    }

    private static Task OnThreads(int count, Action<int> action) =>
        Task.WhenAll(Enumerable.Range(0, count).Select(number => Task.Factory.StartNew(() => action(number), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)))
            .WaitAsync(Limit, TestContext.Current.CancellationToken);

    private sealed class Guarded
    {
        public Gate Gate;
        public long Count;
    }
}
