using System.Collections.Concurrent;
using Duologue.Browser;

namespace Duologue.Tests.Browser;

public class EventTaskQueueTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Tasks_run_one_at_a_time_in_order()
    {
        const int Count = 2000;
        var queue = new EventTaskQueue(null, null, static () => { }, static _ => { });
        var order = new List<int>();
        int running = 0;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        for (int i = 0; i < Count; i++)
        {
            int number = i;
            queue.Post(() =>
            {
                Assert.Equal(1, Interlocked.Increment(ref running));
                order.Add(number);
                Interlocked.Decrement(ref running);
                if (number == Count - 1)
                {
                    done.SetResult();
                }
            });
        }

        await done.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(Enumerable.Range(0, Count), order);
    }

    [Fact]
    public async Task Posting_never_runs_the_task_inline()
    {
        var queue = new EventTaskQueue(null, null, static () => { }, static _ => { });
        var order = new ConcurrentQueue<string>();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        queue.Post(() =>
        {
            queue.Post(() =>
            {
                order.Enqueue("inner");
                done.SetResult();
            });
            order.Enqueue("outer");
        });

        await done.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(["outer", "inner"], order);
    }

    [Fact]
    public async Task What_comes_before_a_task_runs_before_each()
    {
        int before = 0;
        var seen = new List<int>();
        var queue = new EventTaskQueue(null, null, () => before++, static _ => { });
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        queue.Post(() => seen.Add(before));
        queue.Post(() => seen.Add(before));
        queue.Post(done.SetResult);

        await done.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal([1, 2], seen);
    }

    [Fact]
    public async Task A_task_that_must_wait_keeps_those_behind_it_waiting()
    {
        int asked = 0;
        var order = new List<string>();
        var queue = new EventTaskQueue(null, type => ++asked < 3 ? TimeSpan.FromMilliseconds(1) : TimeSpan.Zero, static () => { }, static _ => { });
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        queue.Post(() => order.Add("held"), "open");
        queue.Post(() => order.Add("behind"));
        queue.Post(done.SetResult);

        await done.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(["held", "behind"], order);
        Assert.Equal(3, asked);
    }

    [Fact]
    public void Tasks_run_on_the_context_one_per_turn()
    {
        var context = new ManualContext();
        var queue = new EventTaskQueue(context, null, static () => { }, static _ => { });
        var order = new List<string>();
        queue.Post(() => order.Add("1"));
        queue.Post(() => order.Add("2"));

        Assert.Empty(order);
        context.Turn();
        Assert.Equal(["1"], order);
        context.Turn();
        Assert.Equal(["1", "2"], order);
        Assert.Equal(0, context.Count);
    }

    [Fact]
    public async Task A_context_that_takes_no_more_work_is_reported_and_left()
    {
        var reported = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        var queue = new EventTaskQueue(new BrokenContext(), null, static () => { }, reported.SetResult);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        queue.Post(done.SetResult);

        await done.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal("the window is gone", (await reported.Task).Message);
    }

    [Fact]
    public async Task What_an_async_void_listener_throws_later_is_reported()
    {
        var reported = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        var queue = new EventTaskQueue(null, null, static () => { }, reported.SetResult);

        queue.Post(Listener);

        Exception error = await reported.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal("later", error.Message);

        static async void Listener()
        {
            await Task.Yield();
            throw new InvalidOperationException("later");
        }
    }

    private sealed class ManualContext : SynchronizationContext
    {
        private readonly Queue<(SendOrPostCallback Callback, object? State)> _work = new();

        public int Count => _work.Count;

        public override void Post(SendOrPostCallback d, object? state) => _work.Enqueue((d, state));

        public void Turn()
        {
            (SendOrPostCallback callback, object? state) = _work.Dequeue();
            callback(state);
        }
    }

    private sealed class BrokenContext : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state) => throw new InvalidOperationException("the window is gone");
    }
}
