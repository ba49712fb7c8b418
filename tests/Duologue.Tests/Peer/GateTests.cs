using Duologue.Peer;

namespace Duologue.Tests.Peer;

public sealed class GateTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Threads_that_enter_at_once_go_in_one_after_the_other()
    {
        Guarded guarded = await Crowd(threads: 4, rounds: 50_000, static guarded => guarded.Count++);
        Assert.Equal(200_000, guarded.Count);
        Assert.Equal(0, guarded.Gate.Inside);
    }

    [Fact]
    public async Task Whoever_holds_it_for_long_is_waited_for_by_all_and_none_is_forgotten()
    {
        Guarded guarded = await Crowd(threads: 6, rounds: 40, static guarded =>
        {
            long seen = guarded.Count;

            // Longer than anybody spins: the others go to sleep.
            Thread.Sleep(1);
            guarded.Count = seen + 1;
        });
        Assert.Equal(240, guarded.Count);
    }

    [Fact]
    public async Task Threads_that_enter_again_go_in_one_after_the_other()
    {
        Guarded guarded = await Crowd(threads: 4, rounds: 20_000, static guarded =>
        {
            guarded.Gate.Enter(guarded);
            guarded.Count++;
            guarded.Gate.Exit(guarded);
            guarded.Count++;
        });
        Assert.Equal(160_000, guarded.Count);
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

    /// <summary>So many threads do something so often, each time inside.</summary>
    private static async Task<Guarded> Crowd(int threads, int rounds, Action<Guarded> action)
    {
        CancellationToken token = TestContext.Current.CancellationToken;
        var guarded = new Guarded();
        await Task.WhenAll(Enumerable.Range(0, threads).Select(_ => Task.Factory.StartNew(Repeat, token, TaskCreationOptions.LongRunning, TaskScheduler.Default)))
            .WaitAsync(Limit, token);
        return guarded;

        void Repeat()
        {
            for (int i = 0; i < rounds; i++)
            {
                guarded.Gate.Enter(guarded);
                action(guarded);
                guarded.Gate.Exit(guarded);
            }
        }
    }

    private sealed class Guarded
    {
        public Gate Gate;
        public long Count;
    }
}
