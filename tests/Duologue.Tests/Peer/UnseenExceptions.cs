using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace Duologue.Tests.Peer;

/// <summary>Exceptions of tasks that nobody has looked at, from now on, of the whole process.</summary>
internal sealed class UnseenExceptions : IDisposable
{
    private readonly ConcurrentQueue<Exception> _unseen = [];

    public UnseenExceptions() => TaskScheduler.UnobservedTaskException += Add;

    public void Dispose() => TaskScheduler.UnobservedTaskException -= Add;

    /// <summary>Those of tasks that are garbage by now.</summary>
    public async Task<Exception[]> CollectAsync()
    {
        // Not from the stack of a task that has just completed, which holds what it held.
        await Task.Yield();

        // When this one is told of, all others have been.
        var last = new InvalidOperationException("Nobody looks at this one.");
        Fault(last);
        await Waiting.Until(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return _unseen.Contains(last);
        });
        return [.. _unseen.Where(exception => exception != last)];
    }

    // In a method of its own, so that nothing holds the task.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Fault(Exception exception) => new TaskCompletionSource().SetException(exception);

    private void Add(object? sender, UnobservedTaskExceptionEventArgs e)
    {
        foreach (Exception exception in e.Exception.InnerExceptions)
        {
            _unseen.Enqueue(exception);
        }
    }
}
