using System.Buffers;
using System.Runtime.CompilerServices;
using Duologue.Protocol;

namespace Duologue;

// Push: a handler is called for each message, one call at a time. The right to call it is claimed by one thread and
// released when its call has completed and nothing waits. Where the handler is to run on the thread pool, messages wait for the end of their
// batch, and one thread of the pool then delivers them all: whoever holds the claim has queued it, or is it.
internal sealed partial class WebSocketConnection
{
    // 1 while a handler call is under way or a thread is delivering.
    private byte _handling;

    // The carrier's thread alone: whether it has the claim between two messages of one batch. To take and give it for each would cost two interlocked
    // operations per message.
    private bool _holdsClaim;

    // Whether the handler is being called with a text, on the thread that calls it: what it echoes is valid UTF-8 and is not judged once more.
    private bool _handlesText;

    // After a failure the handler gets no more messages, only the end.
    private volatile bool _handlerFailed;

    // The claim's: the pool's thread is to tell of the opening first.
    private bool _openIsDue;

    /// <summary>Whether a call of the handler is under way, or a thread is about to make one. Any thread.</summary>
    internal bool IsHandling => Volatile.Read(ref _handling) != 0;

    /// <summary>Whether the application has dealt with everything that arrived.</summary>
    private bool IsIdle => Volatile.Read(ref _inboxCount) == 0 && (_setup.Handler is not null ? !IsHandling && Owed is null : !_pull.Busy);

    private bool Claim(out bool waiting)
    {
        bool claimed = Interlocked.CompareExchange(ref _handling, 1, 0) == 0;
        waiting = Volatile.Read(ref _inboxCount) != 0;
        return claimed;
    }

    /// <summary>The claim goes to the thread pool, with all that waits.</summary>
    private void Hop() => ThreadPool.UnsafeQueueUserWorkItem(static connection => connection.RunOnPool(), this, preferLocal: false);

    private void RunOnPool()
    {
        if (_openIsDue)
        {
            _openIsDue = false;
            Open();
        }
        else
        {
            Deliver();
        }
    }

    private void PushMessage(MessageType type, ref MessageBuffer body)
    {
        if (_setup.OnThreadPool)
        {
            Queue(type, ref body);
            return;
        }

        bool claimed = _holdsClaim;
        bool waiting = claimed ? Volatile.Read(ref _inboxCount) != 0 : false;
        if (claimed || Claim(out waiting))
        {
            if (!waiting)
            {
                // Kept until the run of messages ends, or for the call if that goes on.
                _holdsClaim = false;
                _holdsClaim = Invoke(type, ref body);
                return;
            }

            // Somebody has queued and not yet delivered: keep the order.
            _holdsClaim = false;
            Queue(type, ref body);
            Deliver();
            return;
        }

        Queue(type, ref body);
        DeliverIfFree();
    }

    /// <summary>The run of messages that the carrier's thread has delivered in place is over: something else comes, or nothing more is at hand.</summary>
    private void EndRun()
    {
        if (_holdsClaim)
        {
            _holdsClaim = false;
            Release();
        }
    }

    private void Queue(MessageType type, ref MessageBuffer body)
    {
        bool queued;
        lock (Gate)
        {
            int length = body.Length;
            queued = Enqueue(new InboxItem(InboxKind.Message, type, body.Detach(), length, null));
        }

        if (!queued)
        {
            ReportDropped(DropReason.Unreceived, 1);
        }
    }

    /// <summary>Calls the handler in place. Returns whether the call has completed.</summary>
    private bool Invoke(MessageType type, ref MessageBuffer body)
    {
        _handlesText = type == MessageType.Text;
        ValueTask call = Call(type, body.Memory);
        _handlesText = false;
        if (call.IsCompleted)
        {
            Complete(call.ConfigureAwait(false).GetAwaiter());
            return true;
        }

        // The bytes stay where they are and become the call's own.
        Lent = body.Detach();
        Await(call);
        return false;
    }

    private ValueTask Call(MessageType type, ReadOnlyMemory<byte> data)
    {
        if (_handlerFailed)
        {
            ReportDropped(DropReason.Unreceived, 1);
            return default;
        }

        try
        {
            return _setup.Handler!.OnMessageAsync(this, new Message(type, data));
        }
        catch (Exception e)
        {
            return ValueTask.FromException(e);
        }
    }

    private void Open()
    {
        ValueTask call;
        try
        {
            call = _setup.Handler!.OnOpenAsync(this);
        }
        catch (Exception e)
        {
            call = ValueTask.FromException(e);
        }

        Finish(call);
    }

    /// <summary>Ends the claim when the call completes.</summary>
    private void Finish(ValueTask call)
    {
        if (call.IsCompleted)
        {
            Complete(call.ConfigureAwait(false).GetAwaiter());
            Release();
        }
        else
        {
            Await(call);
        }
    }

    private void Await(ValueTask call)
    {
        ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter awaiter = call.ConfigureAwait(false).GetAwaiter();
        Rarities rare = Rare;
        rare.HandlerCall = awaiter;
        awaiter.UnsafeOnCompleted(rare.OnCallCompletedAction ??= OnCallCompleted);
    }

    private void OnCallCompleted()
    {
        Rarities rare = _rare!;
        ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter call = rare.HandlerCall;
        rare.HandlerCall = default;
        if (Lent is { } lent)
        {
            Lent = null;
            ArrayPool<byte>.Shared.Return(lent);
        }

        Complete(call);
        if (_setup.OnThreadPool && !Thread.CurrentThread.IsThreadPoolThread)
        {
            // It ended wherever its last wait did.
            Hop();
        }
        else
        {
            Deliver();
        }
    }

    private void Complete(ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter call)
    {
        try
        {
            call.GetResult();
        }
        catch (Exception e)
        {
            FailHandler(e);
        }
    }

    /// <summary>The application failed: it is logged, and the peer learns no details.</summary>
    public void FailHandler(Exception exception)
    {
        _handlerFailed = true;
        if (IsToldOfEnd(exception))
        {
            return;
        }

        _setup.Observer.HandlerFailed(this, exception);
        Log.HandlerFailed(_setup.Logger, Id, exception);
        CloseForFailure();
    }

    /// <summary>Whether application code only ran into the end of the conversation, which OnCloseAsync and Closed tell: no failure of its own.</summary>
    public bool IsToldOfEnd(Exception exception) => exception is ConnectionClosedException or OperationCanceledException && IsEnding;

    /// <summary>The application's code failed; the peer learns no details.</summary>
    public void CloseForFailure() => BeginClose(CloseFrame.InternalError, "The handler failed.", CloseCause.HandlerFailed);

    /// <summary>Gives the claim back, and delivers what came at the last moment.</summary>
    private void Release()
    {
        Interlocked.Exchange(ref _handling, 0);
        if (Volatile.Read(ref _inboxCount) != 0)
        {
            DeliverIfFree();
            return;
        }

        if (_paused)
        {
            ResumeIfPaused();
        }

        if (_closeDeferred || _halfClosed)
        {
            CloseIfIdle();
        }
    }

    private void DeliverIfFree()
    {
        if (!Claim(out _))
        {
            return;
        }

        if (_setup.OnThreadPool)
        {
            Hop();
        }
        else
        {
            Deliver();
        }
    }

    /// <summary>A batch has ended: what it brought for a handler on the thread pool goes there, by one hop.</summary>
    private void DeliverBatch()
    {
        if (_setup.OnThreadPool && Volatile.Read(ref _inboxCount) != 0 && _setup.Handler is not null)
        {
            DeliverIfFree();
        }
    }

    /// <summary>Calls the handler for what waits, until a call does not complete at once. The caller holds the claim.</summary>
    private void Deliver()
    {
        while (true)
        {
            InboxItem item;
            lock (Gate)
            {
                if (!TryDequeue(out item))
                {
                    break;
                }
            }

            ResumeIfPaused();
            if (item.Kind == InboxKind.End)
            {
                // Nothing comes after the end: the claim is kept for good.
                EndHandler();
                return;
            }

            ValueTask call = Call(item.Type, item.Array.AsMemory(0, item.Length));
            if (!call.IsCompleted)
            {
                Lent = item.Array;
                Await(call);
                return;
            }

            Complete(call.ConfigureAwait(false).GetAwaiter());
            item.Release();
        }

        Release();
    }

    private async void EndHandler()
    {
        try
        {
            await _setup.Handler!.OnCloseAsync(this, Ending!).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Nothing is left to close: the count and the log are all that can be told.
            _setup.Observer.HandlerFailed(this, e);
            Log.HandlerFailed(_setup.Logger, Id, e);
        }
    }
}
