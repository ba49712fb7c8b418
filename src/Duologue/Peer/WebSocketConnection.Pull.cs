using System.Buffers;
using System.Threading.Tasks.Sources;
using Duologue.Peer;

namespace Duologue;

// Pull: the application asks for messages. A waiter takes the next message from the carrier's thread without a copy;
// without one, messages wait in the inbox, and a message under way in the pieces in which it arrives.
internal sealed partial class WebSocketConnection : IValueTaskSource<Message>, IValueTaskSource<bool>
{
    // A handler's connections share one that nobody uses.
    private readonly PullState _pull;

    private enum Waiter
    {
        None,
        Whole,
        Stream,
    }

    /// <summary>What the enumerator shows; valid after a receive completed with true.</summary>
    public Message ReceivedMessage => _pull.Message;

    /// <summary>Whether the application reads the message under way as a stream.</summary>
    private bool IsReadPiecewise => _pull.Open is { } open && open == _pull.Reading;

    private long MessageLimit
    {
        get
        {
            if (_setup.Handler is null && _pull.Waiter != Waiter.Whole)
            {
                // It is read piecewise, or nobody has said yet how. What is held is bounded by the read-ahead, and while closing by HandOver.
                return long.MaxValue;
            }

            return Math.Max(0, Options.MaxMessageSize - (_pull.Open?.Total ?? 0));
        }
    }

    /// <inheritdoc/>
    public override ValueTask<Message> ReceiveAsync(CancellationToken cancellationToken)
    {
        return BeginReceive(cancellationToken, out short version) switch
        {
            Begun.Waiting => new ValueTask<Message>(this, version),
            Begun.Completed => new ValueTask<Message>(_pull.Message),
            Begun.Canceled => ValueTask.FromCanceled<Message>(cancellationToken),
            _ => ValueTask.FromException<Message>(ClosedException()),
        };
    }

    /// <summary>Like <see cref="ReceiveAsync(CancellationToken)"/>, but a clean end is false and no exception.</summary>
    public ValueTask<bool> MoveNextAsync(CancellationToken cancellationToken)
    {
        return BeginReceive(cancellationToken, out short version) switch
        {
            Begun.Waiting => new ValueTask<bool>(this, version),
            Begun.Completed => new ValueTask<bool>(true),
            Begun.Canceled => ValueTask.FromCanceled<bool>(cancellationToken),
            _ => EndedCleanly ? new ValueTask<bool>(false) : ValueTask.FromException<bool>(ClosedException()),
        };
    }

    /// <inheritdoc/>
    public override IAsyncEnumerable<Message> ReadAllAsync(CancellationToken cancellationToken) =>
        new MessageEnumerable(this, cancellationToken);

    /// <inheritdoc/>
    public override async ValueTask<MessageStream?> OpenReadAsync(CancellationToken cancellationToken)
    {
        ThrowIfPushed();
        cancellationToken.ThrowIfCancellationRequested();
        Task<MessageStream?> task;
        lock (Gate)
        {
            ThrowIfReceiving();
            ReturnBorrowed();
            if (TryDequeue(out InboxItem item))
            {
                _pull.Reading = item.Pieces ?? IncomingMessage.FromWhole(this, item.Type, item.Array, item.Length);
                _pull.Busy = true;
                task = Task.FromResult<MessageStream?>(_pull.Reading);
            }
            else if (_pull.Open is { } open)
            {
                _pull.Reading = open;
                _pull.Busy = true;
                task = Task.FromResult<MessageStream?>(open);
            }
            else if (Ending is not null)
            {
                return EndedCleanly ? null : throw ClosedException();
            }
            else
            {
                _pull.StreamWaiter = new TaskCompletionSource<MessageStream?>(TaskCreationOptions.RunContinuationsAsynchronously);
                _pull.Waiter = Waiter.Stream;
                task = _pull.StreamWaiter.Task;
            }
        }

        AfterTaking();
        try
        {
            return await task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (WithdrawStreamWaiter() is { } lost)
        {
            // It came at the same moment: the wait had an answer, so it is not lost.
            return lost;
        }
    }

    /// <summary>
    /// The application's receiver has ended for good: what it borrowed is the pool's again, and what it left is dropped and counted.
    /// Not with a handler; nothing if somebody else waits for a message right now.
    /// </summary>
    public void EndReceiver()
    {
        IncomingMessage? reading;
        int dropped;
        lock (Gate)
        {
            if (_pull.Waiter != Waiter.None)
            {
                return;
            }

            _pull.ReceiverEnded = true;
            ReturnBorrowed();
            reading = _pull.Reading;
            dropped = ReleaseInbox();
        }

        reading?.Dispose();
        if (dropped != 0)
        {
            ReportDropped(DropReason.Unreceived, dropped);
        }

        AfterTaking();
    }

    Message IValueTaskSource<Message>.GetResult(short token) =>
        _pull.Result.GetResult(token) ? _pull.Message : throw ClosedException();

    bool IValueTaskSource<bool>.GetResult(short token) =>
        _pull.Result.GetResult(token) || (EndedCleanly ? false : throw ClosedException());

    ValueTaskSourceStatus IValueTaskSource<Message>.GetStatus(short token) => _pull.Result.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _pull.Result.GetStatus(token);

    void IValueTaskSource<Message>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _pull.Result.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _pull.Result.OnCompleted(continuation, state, token, flags);

    private bool EndedCleanly
    {
        get
        {
            lock (Gate)
            {
                return Ending is { WasClean: true };
            }
        }
    }

    private Begun BeginReceive(CancellationToken cancellationToken, out short version)
    {
        ThrowIfPushed();
        version = 0;
        if (cancellationToken.IsCancellationRequested)
        {
            return Begun.Canceled;
        }

        Begun begun;
        lock (Gate)
        {
            ThrowIfReceiving();
            ReturnBorrowed();
            if (TryDequeue(out InboxItem item))
            {
                begun = item.Total <= Options.MaxMessageSize ? Begun.Completed : Begun.TooBig;
                if (begun == Begun.Completed)
                {
                    Lend(item);
                }
                else
                {
                    item.Release();
                }
            }
            else if (Ending is not null)
            {
                begun = Begun.Ended;
            }
            else if (_pull.TooBigToCome && !_pull.Discards)
            {
                // Its header alone tells: no byte of it may follow at which the reader would judge again.
                begun = Begun.TooBig;
            }
            else
            {
                begun = Begun.Waiting;
                _pull.Result.Reset();
                version = _pull.Result.Version;
                _pull.Waiter = Waiter.Whole;
                _pull.WaiterToken = cancellationToken;

                // Runs at once if the token is cancelled by now; nobody has seen the task yet, so no user code runs.
                _pull.WaiterRegistration = cancellationToken.UnsafeRegister(
                    static (connection, token) => ((WebSocketConnection)connection!).CancelWaiter(token), this);
            }
        }

        AfterTaking();
        if (begun == Begun.TooBig)
        {
            // It was read ahead while nobody had said that it would be received whole.
            RefuseWhole();
        }

        return begun;
    }

    /// <summary>There is room again, and perhaps nothing more to wait for.</summary>
    private void AfterTaking()
    {
        ResumeIfPaused();
        CloseIfIdle();
    }

    private void ThrowIfPushed()
    {
        if (_setup.Handler is not null)
        {
            throw new InvalidOperationException("A message handler receives for this connection. Receive in OnMessageAsync, or map the endpoint with a delegate.");
        }
    }

    private void ThrowIfReceiving()
    {
        if (_pull.Waiter != Waiter.None)
        {
            throw new InvalidOperationException("Another receive is pending on this connection. Await it first.");
        }

        if (_pull.Reading is not null)
        {
            throw new InvalidOperationException("The stream of the last message is still open. Read it to its end or dispose it first.");
        }
    }

    private void ReturnBorrowed()
    {
        _pull.Busy = false;
        if (_pull.Borrowed is { } array)
        {
            _pull.Borrowed = null;
            ArrayPool<byte>.Shared.Return(array);
        }
    }

    /// <summary>Under the lock: the application holds the message until its next receive.</summary>
    private void Lend(InboxItem item)
    {
        _pull.Borrowed = item.Pieces is { } pieces ? pieces.Join() : item.Array;
        _pull.Busy = true;
        _pull.Message = new Message(item.Type, _pull.Borrowed.AsMemory(0, item.Length));
    }

    private void CancelWaiter(CancellationToken token)
    {
        lock (Gate)
        {
            // A late call for an earlier receive must not take this one's waiter.
            if (_pull.Waiter != Waiter.Whole || _pull.WaiterToken != token)
            {
                return;
            }

            _pull.Waiter = Waiter.None;
            _pull.WaiterRegistration = default;
        }

        _pull.Result.SetException(new OperationCanceledException(token));
    }

    /// <summary>The cancelled wait for a stream: nothing, or what came at the last moment.</summary>
    private IncomingMessage? WithdrawStreamWaiter()
    {
        lock (Gate)
        {
            if (_pull.Waiter == Waiter.Stream)
            {
                _pull.Waiter = Waiter.None;
                _pull.StreamWaiter = null;
                return null;
            }

            return _pull.Reading;
        }
    }

    /// <summary>What a connection holds whose application asks for messages. Guarded by Gate.</summary>
    private sealed class PullState
    {
        public static readonly PullState Unused = new();

        public volatile Waiter Waiter;
        public TaskCompletionSource<MessageStream?>? StreamWaiter;
        public CancellationToken WaiterToken;
        public CancellationTokenRegistration WaiterRegistration;

        // The message under way, while nobody waits for it whole: filled by the carrier's thread.
        public volatile IncomingMessage? Open;

        // What the application holds: a borrowed array, or a stream not yet at its end.
        public byte[]? Borrowed;
        public IncomingMessage? Reading;
        public volatile bool Busy;

        // By its header the message under way is longer than may be received whole, and nobody had asked for it whole by then.
        public bool TooBigToCome;

        // Whoever received has ended: what comes now is dropped.
        public bool ReceiverEnded;

        // The rest of the message under way is of no use: its stream was disposed.
        public volatile bool Discards;

        // The result of the waiter: a message, or that there will be none.
        public ManualResetValueTaskSourceCore<bool> Result;
        public Message Message;
    }

    private enum Begun
    {
        Waiting,
        Completed,
        Canceled,
        Ended,
        TooBig,
    }
}
