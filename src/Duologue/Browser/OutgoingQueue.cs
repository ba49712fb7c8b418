using System.Buffers;
using System.Text;

namespace Duologue.Browser;

/// <summary>
/// What was given to Send and has not left: keeps order, keeps count of <c>bufferedAmount</c>, and feeds the connection
/// one message at a time. Safe from any thread. Source: WHATWG WebSockets §3.1.
/// </summary>
internal sealed class OutgoingQueue
{
    // What an entry costs besides its bytes: empty messages must not pile up without bound either.
    private const long Overhead = 64;

    // Without a context, code outside of the listeners runs beside the event tasks. So that the amount stands still for it too while it
    // sends and looks, a fall that no other event brings waits a moment.
    private static readonly TimeSpan PublishDelay = TimeSpan.FromMilliseconds(5);

    private readonly Lock _gate = new();
    private readonly Queue<OutgoingMessage> _messages = new();
    private readonly EventTaskQueue _tasks;
    private readonly long _memoryLimit;
    private readonly Action<Exception> _fail;
    private readonly Action _onFull;
    private OutgoingSender? _sender;
    private (ushort Code, string Reason)? _close;
    private bool _isDraining;
    private bool _isEnded;
    private long _memory;

    // Bytes ever given to Send; of them, those the network has; of them, those that event tasks may see as gone.
    private ulong _accepted;
    private ulong _taken;
    private ulong _published;
    private bool _publishIsPosted;

    /// <param name="tasks">Where the count falls.</param>
    /// <param name="memoryLimit">The most bytes to hold in memory.</param>
    /// <param name="fail">Ends the connection: the limit is passed, or a blob cannot be read. Called once, without a lock held.</param>
    /// <param name="onFull">Told that the limit is passed, just before.</param>
    public OutgoingQueue(EventTaskQueue tasks, long memoryLimit, Action<Exception> fail, Action onFull)
    {
        _tasks = tasks;
        _memoryLimit = memoryLimit;
        _fail = fail;
        _onFull = onFull;
    }

    /// <summary>
    /// Bytes of application data given to Send that had not been handed to the network when the current event task began.
    /// It never falls within a task, and what was never sent stays in it after the end.
    /// </summary>
    public ulong BufferedAmount
    {
        get
        {
            lock (_gate)
            {
                return _accepted - _published;
            }
        }
    }

    /// <summary>Copies and queues a text; lone surrogates become U+FFFD. After the closing began it is only counted.</summary>
    public void AddText(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        if (Admit(length, length))
        {
            byte[] copy = ArrayPool<byte>.Shared.Rent(length);
            Encoding.UTF8.GetBytes(text, copy);
            Add(OutgoingMessage.Of(MessageType.Text, copy, length));
        }
    }

    /// <summary>Copies and queues a binary message. After the closing began it is only counted.</summary>
    public void AddBinary(ReadOnlySpan<byte> data)
    {
        if (Admit(data.Length, data.Length))
        {
            byte[] copy = ArrayPool<byte>.Shared.Rent(data.Length);
            data.CopyTo(copy);
            Add(OutgoingMessage.Of(MessageType.Binary, copy, data.Length));
        }
    }

    /// <summary>Queues a blob, which is read when its turn comes. After the closing began it is only counted.</summary>
    public void AddBlob(Blob blob)
    {
        if (Admit(blob.Size, 0))
        {
            Add(OutgoingMessage.Of(blob));
        }
    }

    /// <summary>The connection is there: what was queued may leave.</summary>
    public void Start(WebSocketConnection connection)
    {
        lock (_gate)
        {
            _sender = new OutgoingSender(connection, MarkTaken);
            BeginDrain();
        }
    }

    /// <summary>Takes no more messages, and sends a Close frame when those that wait have left.</summary>
    /// <param name="code">A code that may be sent, or 1005 for a frame without one.</param>
    /// <param name="reason">At most 123 UTF-8 bytes.</param>
    public void Close(ushort code, string reason)
    {
        lock (_gate)
        {
            _close = (code, reason);
            BeginDrain();
        }
    }

    /// <summary>The connection is over: drops what has not left. Idempotent.</summary>
    public void End()
    {
        lock (_gate)
        {
            _isEnded = true;
            while (_messages.TryDequeue(out OutgoingMessage message))
            {
                Release(message);
            }
        }
    }

    /// <summary>Between event tasks: what the network took meanwhile leaves the count.</summary>
    public void PublishTaken()
    {
        lock (_gate)
        {
            _published = _taken;
        }
    }

    /// <summary>Counts a message, and says whether to queue it.</summary>
    private bool Admit(long size, long heldBytes)
    {
        lock (_gate)
        {
            _accepted += (ulong)size;
            if (_close is not null || _isEnded)
            {
                return false;
            }

            if (_memory + heldBytes + Overhead <= _memoryLimit)
            {
                _memory += heldBytes + Overhead;
                return true;
            }
        }

        // The standard: flag the WebSocket as full and close the connection.
        End();
        _onFull();
        _fail(new InvalidOperationException(
            $"The messages that wait to be sent exceed {_memoryLimit} bytes (WebSocketOptions.MaxSendMemory): the peer reads too slowly. Watch BufferedAmount, or send a Blob."));
        return false;
    }

    private void Add(OutgoingMessage message)
    {
        lock (_gate)
        {
            if (_close is not null || _isEnded)
            {
                // Another thread closed while the message was copied.
                Release(message);
                return;
            }

            _messages.Enqueue(message);
            BeginDrain();
        }
    }

    private void Release(OutgoingMessage message)
    {
        _memory -= message.HeldBytes + Overhead;
        message.Release();
    }

    private void BeginDrain()
    {
        if (!_isDraining && _sender is not null)
        {
            _isDraining = true;

            // Elsewhere: Send must not make system calls on the thread of a user interface.
            ThreadPool.UnsafeQueueUserWorkItem(static self => _ = self.DrainAsync(), this, preferLocal: false);
        }
    }

    private async Task DrainAsync()
    {
        while (TakeNext() is OutgoingMessage message)
        {
            try
            {
                await _sender!.SendAsync(message).ConfigureAwait(false);
            }
            catch (ConnectionClosedException)
            {
                // The connection's close event tells of it; what was not sent stays in BufferedAmount.
                End();
            }
#pragma warning disable CA1031 // A blob that cannot be read. Half a message cannot be taken back (RFC 6455 §5.4) and must not pass for the whole: the connection ends, the error is reported.
            catch (Exception error)
#pragma warning restore CA1031
            {
                End();
                _fail(error);
            }

            lock (_gate)
            {
                Release(message);
            }
        }
    }

    private OutgoingMessage? TakeNext()
    {
        lock (_gate)
        {
            if (_messages.TryDequeue(out OutgoingMessage message))
            {
                return message;
            }

            _isDraining = false;
            if (_close is (ushort code, string reason) && !_isEnded)
            {
                _isEnded = true;
                _sender!.Close(code, reason);
            }

            return null;
        }
    }

    private void MarkTaken(long bytes)
    {
        lock (_gate)
        {
            _taken += (ulong)bytes;
            if (_publishIsPosted)
            {
                return;
            }

            _publishIsPosted = true;
        }

        if (_tasks.HasContext)
        {
            PostPublishing();
        }
        else
        {
            _ = Task.Delay(PublishDelay).ContinueWith(static (_, self) => ((OutgoingQueue)self!).PostPublishing(), this, TaskScheduler.Default);
        }
    }

    /// <summary>The count is published at the start of every task; here once more, for what was taken between that start and this end of the waiting has posted no task of its own.</summary>
    private void PostPublishing() => _tasks.Post(() =>
    {
        lock (_gate)
        {
            _publishIsPosted = false;
            _published = _taken;
        }
    });
}
