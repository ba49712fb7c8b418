using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Duologue.EventLoop.Native;
using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Loops;

/// <summary>A loop on epoll, level-triggered: it asks who is ready, and receives and sends by itself.</summary>
internal sealed unsafe class EpollLoop : Loop
{
    /// <summary>Large, so that much of a large message comes with one call.</summary>
    private const int ReceiveSize = 512 * 1024;

    private const int MaxEvents = 512;
    private const int AcceptsPerTurn = 64;

    // What an event is about, beside the sockets' names.
    private const ulong WakeName = 1ul << 63;
    private const ulong ListenerName = 1ul << 62;

    // struct epoll_event is packed on x64 and nowhere else.
    private static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int EventData = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;

    private readonly int _epoll;
    private readonly int _wake;
    private readonly ReceiveBuffer _received = new(ReceiveSize);
    private readonly byte* _events = (byte*)NativeMemory.AlignedAlloc(MaxEvents * 16, 16);

    public EpollLoop(int number, ILogger logger)
        : base(number, logger)
    {
        _epoll = Libc.EpollCreate(Constants.EpollCloseOnExec);
        _wake = Libc.EventDescriptor(0, Constants.EventDescriptorNonBlocking | Constants.EventDescriptorCloseOnExec);
        if (_epoll < 0 || _wake < 0)
        {
            int error = Libc.LastError;
            Release();
            throw Sockets.ToException(error);
        }

        Control(Constants.EpollAdd, _wake, Constants.EpollIn, WakeName);
    }

    /// <summary>Why epoll cannot run here; null if it can.</summary>
    public static string? FindObstacle()
    {
        int epoll = Libc.EpollCreate(Constants.EpollCloseOnExec);
        if (epoll < 0)
        {
            return $"epoll_create1 failed with errno {Libc.LastError}.";
        }

        _ = Libc.Close(epoll);
        return null;
    }

    public override void StartReceiving(LoopSocket socket)
    {
        if (!socket.IsClosed && !socket.Has(SocketActivity.Receiving))
        {
            socket.Set(SocketActivity.Receiving);
            UpdateInterest(socket);
        }
    }

    public override void StopReceiving(LoopSocket socket)
    {
        if (!socket.IsClosed && socket.Has(SocketActivity.Receiving))
        {
            socket.Clear(SocketActivity.Receiving);
            UpdateInterest(socket);
        }
    }

    [SkipLocalsInit]
    public override void Send(LoopSocket socket)
    {
        IoVector* vectors = stackalloc IoVector[Constants.MaxVectors];
        while (!socket.IsClosed && !socket.Has(SocketActivity.Sending))
        {
            int count = socket.Handler.Gather(new Span<IoVector>(vectors, Constants.MaxVectors));
            Debug.Assert(count <= Constants.MaxVectors, "A handler writes no more vectors than it was given.");
            if (count == 0)
            {
                return;
            }

            long wanted = 0;
            for (int i = 0; i < count; i++)
            {
                wanted += (long)vectors[i].Length;
            }

            long sent = Sockets.Send(socket.Descriptor, vectors, count, out int error);
            socket.Handler.OnSent(sent, error is Errno.TryAgain or Errno.Interrupted ? 0 : error);
            if (error is not (0 or Errno.TryAgain or Errno.Interrupted))
            {
                return;
            }

            if (sent < wanted && error != Errno.Interrupted && !socket.IsClosed)
            {
                socket.Set(SocketActivity.Sending);
                UpdateInterest(socket);
            }
        }
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

        // Closing takes the descriptor out of epoll; what this turn's events still say of it finds another name.
        Closed(socket);
    }

    protected override void Wait(int timeout)
    {
        int count = Libc.EpollWait(_epoll, _events, MaxEvents, timeout);
        if (count < 0)
        {
            int error = Libc.LastError;
            if (error != Errno.Interrupted)
            {
                throw Sockets.ToException(error);
            }

            return;
        }

        BeginTurn();
        Debug.Assert(count <= MaxEvents, "The kernel fills no more events than there is room for.");
        for (int i = 0; i < count; i++)
        {
            byte* entry = _events + (i * EventSize);
            uint events = Unsafe.ReadUnaligned<uint>(entry);
            Dispatch(Unsafe.ReadUnaligned<ulong>(entry + EventData), events);
        }
    }

    protected override void Wake()
    {
        ulong one = 1;
        _ = Libc.Write(_wake, &one, sizeof(ulong));
    }

    protected override void StartAccepting(LoopListener listener)
    {
        if (!listener.IsArmed)
        {
            if (TryControl(Constants.EpollAdd, listener.Descriptor, Constants.EpollIn, ListenerName | (uint)listener.Descriptor) is not 0 and int error)
            {
                Exhausted(listener, error);
                return;
            }

            listener.IsArmed = true;
        }
    }

    protected override void StopAccepting(LoopListener listener)
    {
        Rest(listener);
        listener.OnStopped();
    }

    protected override void Rest(LoopListener listener)
    {
        if (listener.IsArmed)
        {
            listener.IsArmed = false;
            _ = TryControl(Constants.EpollDelete, listener.Descriptor, 0, 0);
        }
    }

    protected override void Release()
    {
        CloseDescriptors();
        _received.Free();
        NativeMemory.AlignedFree(_events);
    }

    private void CloseDescriptors()
    {
        if (_wake >= 0)
        {
            _ = Libc.Close(_wake);
        }

        if (_epoll >= 0)
        {
            _ = Libc.Close(_epoll);
        }
    }

    private void Dispatch(ulong name, uint events)
    {
        if (name >= ListenerName)
        {
            if (name == WakeName)
            {
                ulong value;
                _ = Libc.Read(_wake, &value, sizeof(ulong));
            }
            else
            {
                Accept((int)(uint)name);
            }

            return;
        }

        if (Find(name) is not { } socket)
        {
            return;
        }

        Enter(socket);
        try
        {
            bool failed = (events & (Constants.EpollError | Constants.EpollHangup)) != 0;
            if (socket.Has(SocketActivity.Sending) && ((events & Constants.EpollOut) != 0 || failed))
            {
                socket.Clear(SocketActivity.Sending);
                UpdateInterest(socket);
                Send(socket);
            }

            if (socket.Has(SocketActivity.Receiving) && ((events & Constants.EpollIn) != 0 || failed))
            {
                Receive(socket);
            }
        }
        catch (Exception exception)
        {
            Fail(socket, exception);
        }
    }

    private void Receive(LoopSocket socket)
    {
        ISocketHandler handler = socket.Handler;
        int count = _received.ReceiveFrom(socket, out _, out int error);
        if (count <= 0)
        {
            if (error is Errno.TryAgain or Errno.Interrupted)
            {
                return;
            }

            StopReceiving(socket);
            handler.OnReceiveEnded(error);
        }

        if (socket.Has(SocketActivity.Dirty))
        {
            SendNow(socket);
        }
    }

    /// <summary>
    /// Tells epoll what is wanted. A socket of which nothing is wanted is taken out: it would report a hang-up over and over.
    /// </summary>
    private void UpdateInterest(LoopSocket socket)
    {
        if (socket.IsClosed)
        {
            return;
        }

        uint events = (socket.Has(SocketActivity.Receiving) ? Constants.EpollIn : 0) | (socket.Has(SocketActivity.Sending) ? Constants.EpollOut : 0);
        bool registered = socket.Has(SocketActivity.Registered);
        if (events == 0)
        {
            if (registered)
            {
                socket.Clear(SocketActivity.Registered);
                Control(Constants.EpollDelete, socket.Descriptor, 0, 0);
            }

            return;
        }

        socket.Set(SocketActivity.Registered);
        Control(registered ? Constants.EpollModify : Constants.EpollAdd, socket.Descriptor, events, NameOf(socket));
    }

    private void Accept(int descriptor)
    {
        LoopListener? listener = null;
        foreach (LoopListener candidate in Listeners)
        {
            if (candidate.Descriptor == descriptor)
            {
                listener = candidate;
            }
        }

        byte* address = stackalloc byte[SocketAddresses.MaxSize];
        for (int i = 0; listener is { IsArmed: true } && i < AcceptsPerTurn; i++)
        {
            uint length = SocketAddresses.MaxSize;
            int accepted = Libc.Accept(descriptor, address, &length, Constants.SocketNonBlocking | Constants.SocketCloseOnExec);
            if (accepted >= 0)
            {
                if (!Accepted(listener, accepted, SocketAddresses.Filled(address, length)))
                {
                    Rest(listener);
                }

                continue;
            }

            int error = Libc.LastError;
            if (error == Errno.TryAgain)
            {
                return;
            }

            if (Errno.IsExhaustion(error))
            {
                Rest(listener);
                Exhausted(listener, error);
                return;
            }

            if (error is not (Errno.Interrupted or Errno.ConnectionAborted) && AcceptFailed(listener, error))
            {
                Rest(listener);
                return;
            }
        }
    }

    private void Control(int operation, int descriptor, uint events, ulong name)
    {
        if (TryControl(operation, descriptor, events, name) is not 0 and int error)
        {
            throw Sockets.ToException(error);
        }
    }

    /// <returns>0, or an errno: the kernel may be short of memory, or of what a user may watch (fs.epoll.max_user_watches).</returns>
    private int TryControl(int operation, int descriptor, uint events, ulong name)
    {
        // In bounds: the larger of the two layouts.
        byte* settings = stackalloc byte[16];
        Unsafe.WriteUnaligned(settings, events);
        Unsafe.WriteUnaligned(settings + EventData, name);
        return Libc.EpollControl(_epoll, operation, descriptor, settings) == 0 ? 0 : Libc.LastError;
    }
}
