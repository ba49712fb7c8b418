using Duologue.Protocol;

namespace Duologue.EngineIo;

// Arrival: packets from whatever thread become frames, and one thread at a time gives them to the connection.
internal sealed partial class SessionCarrier : IThreadPoolWorkItem
{
    // Guarded by the lock: what has arrived.
    private FrameBuffer _arrived = new();

    // The pump's: what it gives to the connection.
    private FrameBuffer _current = new();

    // Guarded by the lock. Stopped: the connection takes no more until it says so.
    private bool _pumping;
    private bool _stopped;
    private bool _mayResume;
    private bool _arrivalEnds;
    private bool _arrivalEnded;
    private Exception? _endError;

    // Guarded by the lock: the bytes of all that has arrived and of the messages in it, up to the last of them; whether some of these were never taken.
    private long _fed;
    private long _messagesFed;
    private bool _isCut;

    // The pump's: the bytes that the connection has taken.
    private long _brought;
    private TaskCompletionSource? _dispatched;

    /// <summary>Whether a message that has arrived was not taken, because the conversation had ended before, or was taken and then discarded: see <see cref="WebSocketConnection.HasCut"/>.</summary>
    public bool IsCut
    {
        get
        {
            lock (_lock)
            {
                if (_isCut)
                {
                    return true;
                }
            }

            // What the connection was given in one piece with the message at which it ended, or its handler failed.
            return _connection.HasCut;
        }
    }

    /// <summary>Takes a message from the peer. <see cref="DispatchAsync"/> must follow.</summary>
    public void OnMessage(MessageType type, ReadOnlySpan<byte> data) => Feed(type == MessageType.Text ? Opcode.Text : Opcode.Binary, data);

    /// <summary>The peer has closed, or has what closes the session. <see cref="DispatchAsync"/> must follow.</summary>
    /// <param name="code">A code that a peer may send, or 1005 for none.</param>
    /// <param name="reason">At most 123 UTF-8 bytes.</param>
    public void OnClose(ushort code, string reason)
    {
        Span<byte> body = stackalloc byte[FrameHeader.MaxControlPayload];
        Feed(Opcode.Close, body[..CloseFrame.Write(body, code, reason)]);
    }

    /// <summary>
    /// Gives the connection what has arrived, on this thread if no other does. Completes when it has taken all: until then the transport
    /// brings no more, which is how a slow application slows its peer down.
    /// </summary>
    public ValueTask DispatchAsync()
    {
        Pump();
        lock (_lock)
        {
            if (_arrivalEnded || (!_pumping && !_stopped))
            {
                return default;
            }

            _dispatched ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(_dispatched.Task);
        }
    }

    public override void ResumeReading()
    {
        lock (_lock)
        {
            _mayResume = true;
            if (!_stopped)
            {
                return;
            }
        }

        // The caller may stand within a call of the handler.
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute() => Pump();

    private void Feed(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        bool isMessage = opcode is Opcode.Text or Opcode.Binary;
        lock (_lock)
        {
            if (_arrivalEnds)
            {
                _isCut |= isMessage;
                return;
            }

            // RFC 6455 §5.3: what a client sends is masked; zero leaves it as it is.
            bool masked = Role == Role.Server;
            Span<byte> header = _arrived.GetSpan(FrameHeader.MaxSize + payload.Length);
            int size = FrameHeader.Write(header, opcode, true, payload.Length, masked, 0);
            payload.CopyTo(header[size..]);
            _arrived.Advance(size + payload.Length);
            _fed += size + payload.Length;
            _messagesFed = isMessage ? _fed : _messagesFed;
        }
    }

    private void EndArrival(Exception? error)
    {
        lock (_lock)
        {
            if (_arrivalEnds)
            {
                return;
            }

            _arrivalEnds = true;
            _endError = error;
        }

        Pump();
    }

    private void Pump()
    {
        lock (_lock)
        {
            if (_pumping || _arrivalEnded || (_stopped && !_mayResume && !_arrivalEnds))
            {
                return;
            }

            _pumping = true;
            _stopped = false;
        }

        bool brought = false;
        while (true)
        {
            bool ends;
            bool rests;
            TaskCompletionSource? dispatched = null;
            lock (_lock)
            {
                ends = _arrivalEnds;
                _mayResume = false;
                if (_current.Length == 0)
                {
                    (_current, _arrived) = (_arrived, _current);
                }

                rests = _current.Length == 0 || ends;
                if (rests && (ends || !brought))
                {
                    _pumping = false;
                    _arrivalEnded |= ends;
                    _isCut |= ends && _brought < _messagesFed;
                    (dispatched, _dispatched) = (_dispatched, null);
                }
            }

            if (ends)
            {
                End();
                dispatched?.TrySetResult();
                return;
            }

            if (!rests)
            {
                brought = true;
                if (!Bring())
                {
                    return;
                }
            }
            else if (brought)
            {
                brought = false;
                _connection.OnBatchEnd();
            }
            else
            {
                dispatched?.TrySetResult();
                return;
            }
        }
    }

    /// <summary>False if the connection takes no more for now.</summary>
    private bool Bring()
    {
        int length = _current.Length;
        int taken = _connection.OnReceived(_current.Span);
        _current.Skip(taken);
        _brought += taken;
        if (taken == length)
        {
            return true;
        }

        _connection.OnBatchEnd();
        lock (_lock)
        {
            if (_mayResume || _arrivalEnds)
            {
                return true;
            }

            _stopped = _hasStopped = true;
            _pumping = false;
            return false;
        }
    }

    private void End()
    {
        _current.Release();
        lock (_lock)
        {
            _arrived.Release();
        }

        _connection.OnBatchEnd();
        _connection.OnEnd(_endError);
    }
}
