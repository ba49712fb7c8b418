using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Duologue.EventLoop.Diagnostics;
using Duologue.EventLoop.Native;
using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Loops;

/// <summary>
/// A loop on io_uring: one request accepts all connections of a listener, one receives all bytes of a socket, and the sends of a turn go to
/// the kernel with the call that waits for the next one. A socket that brings much at once is served like one on epoll instead: a poll tells of
/// bytes, plain calls move them.
/// </summary>
internal sealed unsafe partial class UringLoop : Loop
{
    private const ulong AcceptKind = 1ul << 56;
    private const ulong ReceiveKind = 2ul << 56;
    private const ulong SendKind = 3ul << 56;
    private const ulong WakeKind = 4ul << 56;
    private const ulong CancelKind = 5ul << 56;
    private const ulong PollKind = 6ul << 56;
    private const ulong NameMask = (1ul << 56) - 1;

    private const ushort MultishotAccept = 1;
    private const ushort MultishotReceive = 2;
    private const uint MultishotPoll = 1;
    private const byte SelectBuffer = 32;
    private const uint CancelAll = 1;
    private const uint CancelByDescriptor = 2;
    private const uint CancelAny = 4;

    /// <summary>How long a turn may wait for the answers to its sends and one event more, in microseconds: then one is enough.</summary>
    private const uint Patience = 50;

    private const uint MaxWaitedFor = 256;

    /// <summary>How long the kernel may take, in milliseconds, to let go of everything when the loop ends.</summary>
    private const int ReapTime = 10_000;

    // Room for vectored sends until they are submitted.
    private const int MaxMessages = 128;
    private static readonly int MessageSize = sizeof(MessageHeader) + (Constants.MaxVectors * sizeof(IoVector));

    private readonly UringRing _ring;
    private readonly UringBuffers _buffers;
    private readonly int _wake;
    private readonly ulong* _wakeValue = (ulong*)NativeMemory.AlignedAlloc(sizeof(ulong), sizeof(ulong));
    private readonly byte* _messages = (byte*)NativeMemory.AlignedAlloc((nuint)(MaxMessages * MessageSize), 16);
    private readonly List<LoopListener> _armed = [];
    private int _messageCount;
    private uint _sends;
    private bool _isEnding;

    public UringLoop(int number, ILogger logger)
        : this(number, logger, UringRing.UsualEntries)
    {
    }

    /// <param name="number">Its number; the first is 0.</param>
    /// <param name="logger">Where it logs.</param>
    /// <param name="entries">How many requests may wait to be submitted; a power of two.</param>
    internal UringLoop(int number, ILogger logger, uint entries)
        : base(number, logger)
    {
        _ring = UringRing.TryCreate(entries, out string? obstacle) ?? throw new InvalidOperationException($"io_uring cannot run here: {obstacle}");
        UringBuffers? buffers = UringBuffers.TryCreate(_ring);

        // Blocking, as every descriptor that io_uring waits for: on a non-blocking one it would answer EAGAIN instead of waiting.
        _wake = Libc.EventDescriptor(0, Constants.EventDescriptorCloseOnExec);
        if (_wake < 0 || buffers is null)
        {
            Exception error = buffers is null ? new InvalidOperationException("io_uring takes no buffers.") : Sockets.ToException(Libc.LastError);
            FreeAll(buffers);
            throw error;
        }

        _buffers = buffers;
    }

    public override bool WantsNonBlocking => false;

    /// <summary>How many requests the kernel has not answered for good. The loop's thread, or after its end.</summary>
    internal uint Unanswered => _ring.Unanswered;

    /// <summary>Why io_uring cannot run here; null if it can.</summary>
    public static string? FindObstacle()
    {
        UringRing? ring = UringRing.TryCreate(UringRing.UsualEntries, out string? obstacle);
        if (ring is null)
        {
            return obstacle;
        }

        UringBuffers? buffers = UringBuffers.TryCreate(ring);
        obstacle = buffers is null ? "the kernel takes no ring of provided buffers." : ring.FindObstacle();
        ring.Close();
        buffers?.Free();
        return obstacle;
    }

    public override void StartReceiving(LoopSocket socket)
    {
        if (socket.IsClosed || socket.Has(SocketActivity.Receiving))
        {
            return;
        }

        socket.Set(SocketActivity.Receiving);
        if (!socket.Has(SocketActivity.ReceiveArmed))
        {
            Arm(socket);
        }
    }

    public override void StopReceiving(LoopSocket socket)
    {
        if (socket.IsClosed || !socket.Has(SocketActivity.Receiving))
        {
            return;
        }

        socket.Clear(SocketActivity.Receiving);
        if (socket.Has(SocketActivity.ReceiveArmed) && !socket.Has(SocketActivity.Cancelling))
        {
            CancelReceive(socket);
        }
    }

    [SkipLocalsInit]
    public override void Send(LoopSocket socket)
    {
        if (socket.IsClosed || socket.Has(SocketActivity.Sending))
        {
            return;
        }

        IoVector* vectors = stackalloc IoVector[Constants.MaxVectors];
        int count = socket.Handler.Gather(new Span<IoVector>(vectors, Constants.MaxVectors));
        Debug.Assert(count <= Constants.MaxVectors, "A handler writes no more vectors than it was given.");
        if (count == 0)
        {
            return;
        }

        if (socket.Has(SocketActivity.Bulk))
        {
            long sent = Sockets.Send(socket.Descriptor, vectors, count, out int error);
            bool failed = error != 0 && !IsRetry(error);
            socket.Handler.OnSent(sent, failed ? error : 0);

            // What the socket did not take waits with the kernel.
            count = failed || socket.IsClosed || socket.Has(SocketActivity.Sending) ? 0 : socket.Handler.Gather(new Span<IoVector>(vectors, Constants.MaxVectors));
            if (count == 0)
            {
                return;
            }
        }

        if (count > 1 && _messageCount == MaxMessages)
        {
            Submit(0, 0);
            if (_messageCount > 0)
            {
                // The kernel took none: the first piece alone will do.
                count = 1;
            }
        }

        socket.Set(SocketActivity.Sending);
        _sends++;
        UringRequest* request = _ring.Next();
        request->Descriptor = socket.Descriptor;
        request->OperationFlags = Constants.MessageNoSignal | Constants.MessageWaitAll;
        request->UserData = SendKind | NameOf(socket);
        if (count == 1)
        {
            request->Operation = UringOperation.Send;
            request->Address = (ulong)vectors->Start;
            request->Length = (uint)vectors->Length;
            return;
        }

        // In bounds: the count was checked above. The kernel reads header and vectors when the request is submitted, before they are used anew.
        var message = (MessageHeader*)(_messages + (_messageCount++ * MessageSize));
        Debug.Assert(_messageCount <= MaxMessages, "There is room for the message.");
        var copy = (IoVector*)(message + 1);
        new ReadOnlySpan<IoVector>(vectors, count).CopyTo(new Span<IoVector>(copy, Constants.MaxVectors));
        *message = default;
        message->Vectors = copy;
        message->VectorCount = (nuint)count;
        request->Operation = UringOperation.SendMessage;
        request->Address = (ulong)message;
        request->Length = 1;
    }

    public override void Close(LoopSocket socket, bool reset)
    {
        if (socket.IsClosed)
        {
            return;
        }

        if (reset)
        {
            Sockets.ResetOnClose(socket.Descriptor);
        }

        socket.Set(SocketActivity.Closing);
        socket.Clear(SocketActivity.Receiving);
        if (socket.Has(SocketActivity.ReceiveArmed | SocketActivity.Sending))
        {
            // The kernel holds the buffers of what is under way: it has to let go first.
            UringRequest* request = _ring.Next();
            request->Operation = UringOperation.Cancel;
            request->Descriptor = socket.Descriptor;
            request->OperationFlags = CancelAll | CancelByDescriptor;
            request->UserData = CancelKind;
            return;
        }

        Closed(socket);
    }

    protected override void Prepare()
    {
        _ring.Enable();
        ArmWake();
    }

    protected override void Wait(int timeout)
    {
        timeout = _unfinished.Count > 0 ? 0 : timeout;

        // Sends to sockets with room complete as they are submitted: to wait for one completion more than there are sends is to wait for the next event.
        uint count = timeout == 0 ? 0 : _ring.HasMinimumWait ? Math.Min(_sends, MaxWaitedFor) + 1 : 1;
        _sends = 0;
        Submit(count, timeout);
        BeginTurn();

        // No more than have come by now. Where no buffer is left, a receive that is asked for anew is answered at once when the queue of requests is full, and
        // the buffers are the kernel's again below only: thousands of such would go round for ever.
        for (uint left = _ring.Completed; left > 0 && _ring.TryTake(out UringCompletion completion); left--)
        {
            Dispatch(completion);
        }

        if (_unfinished.Count > 0)
        {
            GoOnReading();
        }

        _buffers.Publish();
    }

    protected override void Wake()
    {
        ulong one = 1;
        _ = Libc.Write(_wake, &one, sizeof(ulong));
    }

    protected override void StartAccepting(LoopListener listener)
    {
        if (listener.IsArmed)
        {
            return;
        }

        listener.IsArmed = true;
        if (!_armed.Contains(listener))
        {
            _armed.Add(listener);
        }

        UringRequest* request = _ring.Next();
        request->Operation = UringOperation.Accept;
        request->Descriptor = listener.Descriptor;
        request->Priority = MultishotAccept;
        request->OperationFlags = Constants.SocketCloseOnExec;
        request->UserData = AcceptKind | (uint)listener.Descriptor;
    }

    protected override void StopAccepting(LoopListener listener)
    {
        if (listener.IsArmed)
        {
            Rest(listener);
        }
        else
        {
            _armed.Remove(listener);
            listener.OnStopped();
        }
    }

    protected override void Rest(LoopListener listener)
    {
        UringRequest* request = _ring.Next();
        request->Operation = UringOperation.Cancel;
        request->Address = AcceptKind | (uint)listener.Descriptor;
        request->UserData = CancelKind;
    }

    protected override void Release()
    {
        Reap();
        foreach (LoopListener listener in _armed)
        {
            listener.OnStopped();
        }

        _armed.Clear();
        if (_ring.Unanswered > 0)
        {
            // This memory is leaked on purpose: the kernel may still write into it, and must not write into what is somebody else's by then.
            LoopLog.KernelHolds(Logger, Number, _ring.Unanswered);
            return;
        }

        FreeAll(_buffers);
    }

    /// <summary>Takes back from the kernel whatever it still has: until it has answered, it may write where a request told it to.</summary>
    private void Reap()
    {
        if (_ring.Unanswered == 0)
        {
            return;
        }

        _isEnding = true;
        UringRequest* request = _ring.Next();
        request->Operation = UringOperation.Cancel;
        request->OperationFlags = CancelAll | CancelAny;
        request->UserData = CancelKind;
        for (long end = Environment.TickCount64 + ReapTime; _ring.Unanswered > 0 && Environment.TickCount64 < end;)
        {
            Wait(100);
        }
    }

    private void FreeAll(UringBuffers? buffers)
    {
        _ring.Close();
        buffers?.Free();
        _bulk.Free();
        NativeMemory.AlignedFree(_wakeValue);
        NativeMemory.AlignedFree(_messages);
        if (_wake >= 0)
        {
            _ = Libc.Close(_wake);
        }
    }

    private void Submit(uint count, int timeout)
    {
        _buffers.Publish();
        _ring.Enter(count, count > 1 ? Patience : 0, timeout);
        if (!_ring.HasRequests)
        {
            // The kernel has read all messages.
            _messageCount = 0;
        }
    }

    private void CancelReceive(LoopSocket socket)
    {
        socket.Set(SocketActivity.Cancelling);
        UringRequest* request = _ring.Next();
        request->Operation = UringOperation.Cancel;
        request->Address = (socket.Has(SocketActivity.Polling) ? PollKind : ReceiveKind) | NameOf(socket);
        request->UserData = CancelKind;
    }

    private void Arm(LoopSocket socket)
    {
        socket.Set(SocketActivity.ReceiveArmed);
        UringRequest* request = _ring.Next();
        if (socket.Has(SocketActivity.Bulk))
        {
            socket.Set(SocketActivity.Polling);
            request->Operation = UringOperation.PollAdd;
            request->Descriptor = socket.Descriptor;
            request->Length = MultishotPoll;
            request->OperationFlags = Constants.PollIn | Constants.PollReadHangUp;
            request->UserData = PollKind | NameOf(socket);
            return;
        }

        socket.Clear(SocketActivity.Polling);
        request->Operation = UringOperation.Receive;
        request->Flags = SelectBuffer;
        request->Priority = MultishotReceive;
        request->Descriptor = socket.Descriptor;
        request->UserData = ReceiveKind | NameOf(socket);
    }

    private void ArmWake()
    {
        UringRequest* request = _ring.Next();
        request->Operation = UringOperation.Read;
        request->Descriptor = _wake;
        request->Address = (ulong)_wakeValue;
        request->Length = sizeof(ulong);
        request->UserData = WakeKind;
    }

    private void Dispatch(in UringCompletion completion)
    {
        ulong kind = completion.UserData & ~NameMask;
        if (kind == AcceptKind)
        {
            OnAccepted(completion);
            return;
        }

        if (kind == WakeKind)
        {
            if (!_isEnding)
            {
                ArmWake();
            }

            return;
        }

        if (kind == CancelKind)
        {
            return;
        }

        // A name stays valid until all that is under way with its socket has been answered.
        LoopSocket? socket = Find(completion.UserData & NameMask);
        Debug.Assert(socket is not null, "A socket is closed when nothing is under way with it.");
        if (socket is null)
        {
            _buffers.Release(completion);
            return;
        }

        Enter(socket);
        try
        {
            if (kind == ReceiveKind)
            {
                OnReceived(socket, completion);
            }
            else if (kind == PollKind)
            {
                OnReadable(socket, completion);
            }
            else
            {
                OnSent(socket, completion);
            }
        }
        catch (Exception exception)
        {
            Fail(socket, exception);
        }

        if (socket.Has(SocketActivity.Closing) && !socket.Has(SocketActivity.ReceiveArmed | SocketActivity.Sending) && socket.Descriptor >= 0)
        {
            Closed(socket);
        }
    }

    private void OnReceived(LoopSocket socket, in UringCompletion completion)
    {
        if (completion.IsLast)
        {
            socket.Clear(SocketActivity.ReceiveArmed | SocketActivity.Cancelling);
        }

        int result = completion.Result;
        if (result > 0)
        {
            try
            {
                if (!socket.IsClosed)
                {
                    socket.Handler.OnReceived(_buffers.Get(completion));
                }
            }
            finally
            {
                _buffers.Release(completion);
            }

            if (result >= BulkFrom && !socket.Has(SocketActivity.Bulk) && !socket.IsClosed)
            {
                socket.Set(SocketActivity.Bulk);
                socket.SmallReceives = 0;
                if (socket.Has(SocketActivity.ReceiveArmed) && !socket.Has(SocketActivity.Cancelling))
                {
                    // When it has ended, in order with all that it brought, the other way begins.
                    CancelReceive(socket);
                }
            }
        }
        else
        {
            _buffers.Release(completion);

            // Cancelled by us, or out of buffers: both are no end.
            if (result is not (-Errno.Cancelled or -Errno.NoBuffers or -Errno.Interrupted or -Errno.TryAgain) && !socket.IsClosed)
            {
                socket.Clear(SocketActivity.Receiving);
                socket.Handler.OnReceiveEnded(-result);
            }
        }

        if (socket.Has(SocketActivity.Receiving) && !socket.Has(SocketActivity.ReceiveArmed) && !socket.IsClosed)
        {
            // The kernel ends a multishot now and then: buffers had run out, or its queue was full. By the time of the next call there are buffers again.
            Arm(socket);
        }
    }

    private static bool IsRetry(int error) => error is Errno.Interrupted or Errno.TryAgain;

    private void OnSent(LoopSocket socket, in UringCompletion completion)
    {
        socket.Clear(SocketActivity.Sending);
        int error = completion.Result < 0 ? -completion.Result : 0;
        socket.Handler.OnSent(Math.Max(0, completion.Result), IsRetry(error) ? 0 : error);

        // What was written in this turn leaves with what is still to be written in it.
        if ((error == 0 || IsRetry(error)) && !socket.Has(SocketActivity.Dirty))
        {
            Send(socket);
        }
    }

    private void OnAccepted(in UringCompletion completion)
    {
        int descriptor = (int)(uint)completion.UserData;
        LoopListener? listener = _armed.Find(candidate => candidate.Descriptor == descriptor);
        if (listener is null)
        {
            return;
        }

        bool armed = !completion.IsLast;
        listener.IsArmed = armed;
        int result = completion.Result;
        if (result >= 0)
        {
            // A request that accepts many has one place for an address, and so tells none.
            if (!Accepted(listener, result, default) && armed)
            {
                Rest(listener);
            }
        }
        else if (Errno.IsExhaustion(-result))
        {
            Exhausted(listener, -result);
        }
        else if (result is not (-Errno.Cancelled or -Errno.Interrupted or -Errno.ConnectionAborted or -Errno.TryAgain))
        {
            AcceptFailed(listener, -result);
        }

        if (armed)
        {
            return;
        }

        if (!Listeners.Contains(listener))
        {
            _armed.Remove(listener);
            listener.OnStopped();
        }
        else if (!listener.IsPaused)
        {
            StartAccepting(listener);
        }

        TellIfAtRest();
    }
}
