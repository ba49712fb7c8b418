using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue;

// Arrival: what the reader brings for an application that pulls: to the one who waits, to an open stream, or to the inbox.
internal sealed partial class WebSocketConnection
{
    private ProtocolViolation? OnMessageStart(MessageType type)
    {
        if (_pull.Waiter == Waiter.Stream)
        {
            lock (Gate)
            {
                OpenStream(type);
            }
        }

        MessageSince = 0;
        return CountMessage();
    }

    /// <summary>Under the lock: gives the message under way to the one who waits for a stream, if he still does.</summary>
    private void OpenStream(MessageType type)
    {
        if (_pull.Waiter == Waiter.Stream)
        {
            _pull.Open ??= new IncomingMessage(this, type);
            FulfilStream(_pull.Open);
        }
    }

    private void FulfilStream(IncomingMessage stream)
    {
        _pull.Waiter = Waiter.None;
        _pull.Reading = stream;
        _pull.Busy = true;
        _pull.StreamWaiter!.SetResult(stream);
        _pull.StreamWaiter = null;
    }

    /// <summary>
    /// After each batch of bytes: what has come of a message that nobody waits for whole is moved to where the
    /// application can reach it.
    /// </summary>
    private void HandOver()
    {
        if (_setup.Handler is null && _reader.Announced + (_pull.Open?.Total ?? 0) > Options.MaxMessageSize)
        {
            AnnounceTooBig();
        }

        if (_setup.Handler is not null || !_reader.InMessage || _pull.Discards || _reader.Body.Length == 0
            || (_pull.Waiter == Waiter.Whole && _pull.Open is null))
        {
            return;
        }

        IncomingMessage? unwanted = null;
        lock (Gate)
        {
            if (_pull.Discards || Ending is not null || (_pull.Waiter == Waiter.Whole && _pull.Open is null))
            {
                return;
            }

            MessageType type = _reader.CurrentType;
            OpenStream(type);
            _pull.Open ??= new IncomingMessage(this, type);
            int length = _reader.Body.Length;
            _pull.Open.Append(_reader.Body.Detach()!, length);
            if (_closeSent && _pull.Waiter == Waiter.None && !IsReadPiecewise && InboxBytes > ReadAhead)
            {
                // While closing the reader goes on, to see the peer's Close: what nobody takes must not pile up.
                (unwanted, _pull.Open) = (_pull.Open, null);
                _pull.Discards = true;
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
        lock (Gate)
        {
            _pull.TooBigToCome = true;
            waits = _pull.Waiter == Waiter.Whole;
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
        Arrival arrival;
        CancellationTokenRegistration registration = default;
        lock (Gate)
        {
            arrival = Place(type, ref body);
            if (arrival == Arrival.Delivered)
            {
                _pull.Waiter = Waiter.None;
                (registration, _pull.WaiterRegistration) = (_pull.WaiterRegistration, default);
            }
        }

        switch (arrival)
        {
            case Arrival.Delivered:
                registration.Unregister();

                // The application goes on here, on the carrier's thread: what it sends at once leaves with the batch.
                _pull.Result.SetResult(true);
                break;
            case Arrival.TooBig:
                RefuseWhole();
                break;
            case Arrival.Useless:
                ReportDropped(DropReason.Unreceived, 1);
                break;
        }
    }

    /// <summary>Under the lock: finds the place of a message that has come to its end.</summary>
    private Arrival Place(MessageType type, ref MessageBuffer body)
    {
        _pull.TooBigToCome = false;
        if (_pull.Discards)
        {
            // The application has disposed of its stream, and so knows.
            _pull.Discards = false;
            return Arrival.Settled;
        }

        if (Violation is not null)
        {
            // RFC 6455 §7.1.7: nothing counts any more that comes behind what broke a rule.
            return Arrival.Useless;
        }

        int length = body.Length;
        if (_pull.Open is { } open)
        {
            if (length > 0)
            {
                open.Append(body.Detach()!, length);
            }

            _pull.Open = null;
            open.Complete();
            return open == _pull.Reading
                ? Arrival.Settled
                : Place(new InboxItem(InboxKind.Message, type, null, (int)Math.Min(open.Total, int.MaxValue), open));
        }

        if (_pull.Waiter == Waiter.Stream)
        {
            FulfilStream(IncomingMessage.FromWhole(this, type, body.Detach(), length));
            return Arrival.Settled;
        }

        return Place(new InboxItem(InboxKind.Message, type, body.Detach(), length, null));
    }

    /// <summary>Under the lock: for whoever waits for a whole message, or behind those that wait for somebody.</summary>
    private Arrival Place(in InboxItem item)
    {
        if (_pull.Waiter != Waiter.Whole)
        {
            return Enqueue(item) ? Arrival.Settled : Arrival.Useless;
        }

        if (item.Total > Options.MaxMessageSize)
        {
            item.Release();
            return Arrival.TooBig;
        }

        Lend(item);
        return Arrival.Delivered;
    }

    /// <summary>The conversation has ended: whoever waits learns it, after what arrived before.</summary>
    private void EndReceiving()
    {
        if (_setup.Handler is not null)
        {
            lock (Gate)
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
        lock (Gate)
        {
            ended = _pull.Waiter == Waiter.Whole;
            stream = _pull.StreamWaiter;
            _pull.StreamWaiter = null;
            _pull.Waiter = Waiter.None;
            if (ended)
            {
                (registration, _pull.WaiterRegistration) = (_pull.WaiterRegistration, default);
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
            _pull.Result.SetResult(false);
        }
    }

    /// <summary>The rest of the message under way cannot come any more.</summary>
    private void CutOpenMessage()
    {
        IncomingMessage? open;
        bool reading;
        lock (Gate)
        {
            open = _pull.Open;
            _pull.Open = null;
            _pull.TooBigToCome = false;
            reading = open is not null && open == _pull.Reading;
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
        Rare.HasCut = true;
        OnViolation(ProtocolViolation.MessageTooBig);
        int dropped;
        lock (Gate)
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
        Interlocked.Add(ref Rare.InboxBytes, -count);
        ResumeIfPaused();
    }

    internal void OnPieceAdded(int count) => Interlocked.Add(ref Rare.InboxBytes, count);

    /// <summary>A stream was read to its end or disposed.</summary>
    internal void OnStreamDone(IncomingMessage stream)
    {
        lock (Gate)
        {
            if (_pull.Reading == stream)
            {
                _pull.Reading = null;
            }

            if (_pull.Open == stream)
            {
                _pull.Open = null;
                _pull.Discards = true;
            }
        }

        ResumeIfPaused();
    }

    /// <summary>What is still to be done, without the lock, about a message that has come.</summary>
    private enum Arrival
    {
        /// <summary>Nothing: a stream has it, it waits in the inbox, or nobody wants it.</summary>
        Settled,

        /// <summary>The one who waits has it, and goes on.</summary>
        Delivered,

        /// <summary>It is longer than may be received whole.</summary>
        TooBig,

        /// <summary>It comes too late for everybody.</summary>
        Useless,
    }
}
