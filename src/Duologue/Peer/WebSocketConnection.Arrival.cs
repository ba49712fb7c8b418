using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue;

// Arrival: what the reader brings for an application that pulls: to the one who waits, to an open stream, or to the inbox.
internal sealed partial class WebSocketConnection
{
    private ProtocolViolation? OnMessageStart(MessageType type)
    {
        if (_waiter == Waiter.Stream)
        {
            lock (_gate)
            {
                OpenStream(type);
            }
        }

        Volatile.Write(ref _messageSince, 0);
        return CountMessage();
    }

    /// <summary>Under the lock: gives the message under way to the one who waits for a stream, if he still does.</summary>
    private void OpenStream(MessageType type)
    {
        if (_waiter == Waiter.Stream)
        {
            _open ??= new IncomingMessage(this, type);
            FulfilStream(_open);
        }
    }

    private void FulfilStream(IncomingMessage stream)
    {
        _waiter = Waiter.None;
        _reading = stream;
        _busyReceiving = true;
        _streamWaiter!.SetResult(stream);
        _streamWaiter = null;
    }

    /// <summary>
    /// After each batch of bytes: what has come of a message that nobody waits for whole is moved to where the
    /// application can reach it.
    /// </summary>
    private void HandOver()
    {
        if (_setup.Handler is null && _reader.Announced + (_open?.Total ?? 0) > _options.MaxMessageSize)
        {
            AnnounceTooBig();
        }

        if (_setup.Handler is not null || !_reader.InMessage || _discards || _reader.Body.Length == 0
            || (_waiter == Waiter.Whole && _open is null))
        {
            return;
        }

        IncomingMessage? unwanted = null;
        lock (_gate)
        {
            if (_discards || _closeInfo is not null || (_waiter == Waiter.Whole && _open is null))
            {
                return;
            }

            MessageType type = _reader.CurrentType;
            OpenStream(type);
            _open ??= new IncomingMessage(this, type);
            int length = _reader.Body.Length;
            _open.Append(_reader.Body.Detach()!, length);
            if (_closeSent && _waiter == Waiter.None && !IsReadPiecewise && Interlocked.Read(ref _inboxBytes) > ReadAhead)
            {
                // While closing the reader goes on, to see the peer's Close: what nobody takes must not pile up.
                (unwanted, _open) = (_open, null);
                _discards = true;
            }
        }

        if (unwanted is not null)
        {
            unwanted.ReleaseAll();
            ReportDropped(DropReason.Unreceived, 1);
        }
    }

    private void AnnounceTooBig()
    {
        bool waits;
        lock (_gate)
        {
            _tooBigToCome = true;
            waits = _waiter == Waiter.Whole;
        }

        if (waits)
        {
            // The receiver came after the header was judged and before this.
            var sink = new FrameSink(this);
            _reader.JudgeAgain(ref sink);
        }
    }

    private void PullMessage(MessageType type, ref MessageBuffer body)
    {
        bool deliver = false;
        bool queued = true;
        bool tooBig = false;
        CancellationTokenRegistration registration = default;
        lock (_gate)
        {
            _tooBigToCome = false;
            if (_discards)
            {
                _discards = false;
                return;
            }

            int length = body.Length;
            if (_violation is not null)
            {
                // RFC 6455 §7.1.7: nothing counts any more that comes behind what broke a rule.
                queued = false;
            }
            else if (_open is { } open)
            {
                if (length > 0)
                {
                    open.Append(body.Detach()!, length);
                }

                _open = null;
                open.Complete();
                if (open == _reading)
                {
                    return;
                }

                tooBig = _waiter == Waiter.Whole && open.Total > _options.MaxMessageSize;
                deliver = _waiter == Waiter.Whole && !tooBig;
                var item = new InboxItem(InboxKind.Message, type, null, (int)Math.Min(open.Total, int.MaxValue), open);
                if (deliver)
                {
                    Lend(item);
                }
                else if (!tooBig)
                {
                    queued = Enqueue(item);
                }
                else
                {
                    item.Release();
                }
            }
            else if (_waiter == Waiter.Stream)
            {
                FulfilStream(IncomingMessage.FromWhole(this, type, body.Detach(), length));
            }
            else
            {
                var item = new InboxItem(InboxKind.Message, type, body.Detach(), length, null);
                deliver = _waiter == Waiter.Whole;
                if (deliver)
                {
                    Lend(item);
                }
                else
                {
                    queued = Enqueue(item);
                }
            }

            if (deliver)
            {
                _waiter = Waiter.None;
                (registration, _waiterRegistration) = (_waiterRegistration, default);
            }
        }

        if (deliver)
        {
            registration.Unregister();

            // The application goes on here, on the carrier's thread: what it sends at once leaves with the batch.
            _received.SetResult(true);
        }
        else if (tooBig)
        {
            RefuseWhole();
        }
        else if (!queued)
        {
            ReportDropped(DropReason.Unreceived, 1);
        }
    }

    /// <summary>The conversation has ended: whoever waits learns it, after what arrived before.</summary>
    private void EndReceiving()
    {
        if (_setup.Handler is not null)
        {
            lock (_gate)
            {
                Enqueue(new InboxItem(InboxKind.End, default, null, 0, null));
            }

            DeliverIfFree();
            return;
        }

        CutOpenMessage();
        bool ended;
        CancellationTokenRegistration registration = default;
        TaskCompletionSource<MessageStream?>? stream;
        lock (_gate)
        {
            ended = _waiter == Waiter.Whole;
            stream = _streamWaiter;
            _streamWaiter = null;
            _waiter = Waiter.None;
            if (ended)
            {
                (registration, _waiterRegistration) = (_waiterRegistration, default);
            }
        }

        registration.Unregister();
        if (stream is not null && EndedCleanly)
        {
            stream.SetResult(null);
        }
        else
        {
            stream?.SetException(ClosedException());
        }

        if (ended)
        {
            _received.SetResult(false);
        }
    }

    /// <summary>The rest of the message under way cannot come any more.</summary>
    private void CutOpenMessage()
    {
        IncomingMessage? open;
        bool reading;
        lock (_gate)
        {
            open = _open;
            _open = null;
            _tooBigToCome = false;
            reading = open is not null && open == _reading;
        }

        if (reading)
        {
            open!.Fail();
        }
        else
        {
            open?.ReleaseAll();
        }
    }

    /// <summary>A message that was asked for whole is too big: neither it nor what came behind it is delivered.</summary>
    private void RefuseWhole()
    {
        OnViolation(ProtocolViolation.MessageTooBig);
        int dropped;
        lock (_gate)
        {
            dropped = ReleaseInbox();
        }

        if (dropped != 0)
        {
            ReportDropped(DropReason.Unreceived, dropped);
        }

        CutOpenMessage();
        CloseIfIdle();
    }

    /// <summary>Part of a stream was read, so there is room for more.</summary>
    internal void OnPieceTaken(int count)
    {
        Interlocked.Add(ref _inboxBytes, -count);
        ResumeIfPaused();
    }

    internal void OnPieceAdded(int count) => Interlocked.Add(ref _inboxBytes, count);

    /// <summary>A stream was read to its end or disposed.</summary>
    internal void OnStreamDone(IncomingMessage stream)
    {
        lock (_gate)
        {
            if (_reading == stream)
            {
                _reading = null;
            }

            if (_open == stream)
            {
                _open = null;
                _discards = true;
            }
        }

        ResumeIfPaused();
    }
}
