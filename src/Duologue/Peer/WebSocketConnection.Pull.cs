using System.Buffers;
using System.Threading.Tasks.Sources;
using Duologue.Peer;

namespace Duologue;

// Pull: the application asks for messages. A waiter takes the next message from the carrier's thread without a copy;
// without one, messages wait in the inbox, and a message under way in the pieces in which it arrives.
internal sealed partial class WebSocketConnection : IValueTaskSource<Message>, IValueTaskSource<bool>
{
    // Guarded by _gate.
    private volatile Waiter _waiter;
    private TaskCompletionSource<MessageStream?>? _streamWaiter;
    private CancellationToken _waiterToken;
    private CancellationTokenRegistration _waiterRegistration;

    // The message under way, while nobody waits for it whole: filled by the carrier's thread.
    private volatile IncomingMessage? _open;

    // What the application holds: a borrowed array, or a stream not yet at its end.
    private byte[]? _borrowed;
    private IncomingMessage? _reading;
    private volatile bool _busyReceiving;

    // The message under way is said to be longer than may be received whole. Nobody had said yet that it would be.
    private bool _tooBigToCome;

    // Whoever received has ended: what comes now is dropped.
    private bool _receiverEnded;

    // The rest of the message under way is of no use: its stream was disposed.
    private volatile bool _discards;

    // The result of the waiter: a message, or that there will be none.
    private ManualResetValueTaskSourceCore<bool> _received;
    private Message _receivedMessage;

    private enum Waiter
    {
        None,
        Whole,
        Stream,
    }

    /// <summary>What the enumerator shows; valid after a receive completed with true.</summary>
    public Message ReceivedMessage => _receivedMessage;

    /// <summary>Whether the application reads the message under way as a stream.</summary>
    private bool IsReadPiecewise => _open is { } open && open == _reading;

    private long MessageLimit
    {
        get
        {
            if (_setup.Handler is null && _waiter != Waiter.Whole)
            {
                // Piecewise, or not decided yet: the read-ahead bounds what is held, and while closing HandOver does.
                return long.MaxValue;
            }

            return Math.Max(0, _options.MaxMessageSize - (_open?.Total ?? 0));
        }
    }

    /// <inheritdoc/>
    public override ValueTask<Message> ReceiveAsync(CancellationToken cancellationToken)
    {
        return BeginReceive(cancellationToken, out short version) switch
        {
            Begun.Waiting => new ValueTask<Message>(this, version),
            Begun.Completed => new ValueTask<Message>(_receivedMessage),
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
        lock (_gate)
        {
            ThrowIfReceiving();
            ReturnBorrowed();
            if (TryDequeue(out InboxItem item))
            {
                _reading = item.Pieces ?? IncomingMessage.FromWhole(this, item.Type, item.Array, item.Length);
                _busyReceiving = true;
                task = Task.FromResult<MessageStream?>(_reading);
            }
            else if (_open is { } open)
            {
                _reading = open;
                _busyReceiving = true;
                task = Task.FromResult<MessageStream?>(open);
            }
            else if (_closeInfo is not null)
            {
                return EndedCleanly ? null : throw ClosedException();
            }
            else
            {
                _streamWaiter = new TaskCompletionSource<MessageStream?>(TaskCreationOptions.RunContinuationsAsynchronously);
                _waiter = Waiter.Stream;
                task = _streamWaiter.Task;
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
        lock (_gate)
        {
            if (_waiter != Waiter.None)
            {
                return;
            }

            _receiverEnded = true;
            ReturnBorrowed();
            reading = _reading;
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
        _received.GetResult(token) ? _receivedMessage : throw ClosedException();

    bool IValueTaskSource<bool>.GetResult(short token) =>
        _received.GetResult(token) || (EndedCleanly ? false : throw ClosedException());

    ValueTaskSourceStatus IValueTaskSource<Message>.GetStatus(short token) => _received.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _received.GetStatus(token);

    void IValueTaskSource<Message>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _received.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _received.OnCompleted(continuation, state, token, flags);

    private bool EndedCleanly
    {
        get
        {
            lock (_gate)
            {
                return _closeInfo is { WasClean: true };
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
        lock (_gate)
        {
            ThrowIfReceiving();
            ReturnBorrowed();
            if (TryDequeue(out InboxItem item))
            {
                begun = item.Length <= _options.MaxMessageSize ? Begun.Completed : Begun.TooBig;
                if (begun == Begun.Completed)
                {
                    Lend(item);
                }
                else
                {
                    item.Release();
                }
            }
            else if (_closeInfo is not null)
            {
                begun = Begun.Ended;
            }
            else if (_tooBigToCome && !_discards)
            {
                // Its header alone tells: no byte of it may follow at which the reader would judge again.
                begun = Begun.TooBig;
            }
            else
            {
                begun = Begun.Waiting;
                _received.Reset();
                version = _received.Version;
                _waiter = Waiter.Whole;
                _waiterToken = cancellationToken;

                // Runs at once if the token is cancelled by now; nobody has seen the task yet, so no user code runs.
                _waiterRegistration = cancellationToken.UnsafeRegister(
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
        if (_waiter != Waiter.None)
        {
            throw new InvalidOperationException("Another receive is pending on this connection. Await it first.");
        }

        if (_reading is not null)
        {
            throw new InvalidOperationException("The stream of the last message is still open. Read it to its end or dispose it first.");
        }
    }

    private void ReturnBorrowed()
    {
        _busyReceiving = false;
        if (_borrowed is { } array)
        {
            _borrowed = null;
            ArrayPool<byte>.Shared.Return(array);
        }
    }

    /// <summary>Under the lock: the application holds the message until its next receive.</summary>
    private void Lend(InboxItem item)
    {
        _borrowed = item.Pieces is { } pieces ? pieces.Join() : item.Array;
        _busyReceiving = true;
        _receivedMessage = new Message(item.Type, _borrowed.AsMemory(0, item.Length));
    }

    private void CancelWaiter(CancellationToken token)
    {
        lock (_gate)
        {
            // A late call for an earlier receive must not take this one's waiter.
            if (_waiter != Waiter.Whole || _waiterToken != token)
            {
                return;
            }

            _waiter = Waiter.None;
            _waiterRegistration = default;
        }

        _received.SetException(new OperationCanceledException(token));
    }

    /// <summary>The cancelled wait for a stream: nothing, or what came at the last moment.</summary>
    private IncomingMessage? WithdrawStreamWaiter()
    {
        lock (_gate)
        {
            if (_waiter == Waiter.Stream)
            {
                _waiter = Waiter.None;
                _streamWaiter = null;
                return null;
            }

            return _reading;
        }
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
