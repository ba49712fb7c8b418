using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;

namespace Duologue.LoadGenerator;

/// <summary>
/// The system calls of the load, made directly: <c>Socket</c> would read on threads of its own and could not throw away what it reads.
/// Linux, x64 and arm64.
/// </summary>
internal static unsafe partial class Libc
{
    public const uint Readable = 0x001; // EPOLLIN
    public const uint Writable = 0x004; // EPOLLOUT
    public const uint Failed = 0x008 | 0x010; // EPOLLERR, EPOLLHUP
    public const uint EdgeTriggered = 1u << 31;

    public const int Interrupted = 4; // EINTR
    public const int WouldBlock = 11; // EAGAIN
    public const int InProgress = 115; // EINPROGRESS

    private const int DontWait = 0x40;
    private const int NoSignal = 0x4000;
    private const int Truncate = 0x20;

    // struct epoll_event is packed on x64 only.
    public static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    public static readonly int EventDataOffset = EventSize - 8;

    /// <summary>Both limits as high as the system lets them be; what is then allowed.</summary>
    public static ulong RaiseDescriptorLimit()
    {
        const int Descriptors = 7; // RLIMIT_NOFILE
        const ulong Wanted = 1_048_576;
        ulong* limit = stackalloc ulong[2] { Wanted, Wanted };
        if (SetLimit(Descriptors, limit) != 0 && GetLimit(Descriptors, limit) == 0)
        {
            limit[0] = limit[1];
            _ = SetLimit(Descriptors, limit);
        }

        return limit[0];
    }

    /// <summary>A new TCP socket without Nagle's delay, bound to an address of this machine; its port is chosen when it connects.</summary>
    public static int NewSocket(IPAddress from)
    {
        const int Cloexec = 0x80000;
        int socket = Check(Socket(2, 1 | Cloexec, 0), "socket");
        int on = 1;
        _ = SetOption(socket, 6, 1, &on, sizeof(int)); // IPPROTO_TCP, TCP_NODELAY
        _ = SetOption(socket, 0, 24, &on, sizeof(int)); // SOL_IP, IP_BIND_ADDRESS_NO_PORT
        byte* address = stackalloc byte[16];
        Write(address, from, 0);
        Check(Bind(socket, address, 16), "bind");
        return socket;
    }

    /// <summary>0, or the error.</summary>
    public static int TryConnect(int socket, IPAddress host, int port)
    {
        byte* address = stackalloc byte[16];
        Write(address, host, port);
        return Connect(socket, address, 16) == 0 ? 0 : Marshal.GetLastSystemError();
    }

    /// <summary>Connecting does not wait; all else never does.</summary>
    public static void DoNotBlock(int socket)
    {
        const int SetFlags = 4, NonBlocking = 0x800;
        Check(Control(socket, SetFlags, NonBlocking), "fcntl");
    }

    /// <summary>What ended an attempt to connect; 0 if nothing did.</summary>
    public static int Error(int socket)
    {
        int error = 0;
        int size = sizeof(int);
        return GetOption(socket, 1, 4, &error, &size) == 0 ? error : Marshal.GetLastSystemError(); // SOL_SOCKET, SO_ERROR
    }

    /// <summary>How many TCP segments with data have come.</summary>
    public static uint SegmentsReceived(int socket)
    {
        // struct tcp_info of linux/tcp.h, as far as tcpi_data_segs_in; all of it is there since Linux 4.6.
        const int Information = 11, DataSegmentsIn = 152;
        byte* information = stackalloc byte[DataSegmentsIn + sizeof(uint)];
        int size = DataSegmentsIn + sizeof(uint);
        Check(GetOption(socket, 6, Information, information, &size), "getsockopt");
        return *(uint*)(information + DataSegmentsIn);
    }

    /// <summary>Bytes taken, or less than zero if none can be now.</summary>
    public static int Send(int socket, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            return Result(Send(socket, start, (nuint)bytes.Length, DontWait | NoSignal), "send");
        }
    }

    /// <summary>Bytes received; 0 at the end; less than zero if there are none now.</summary>
    public static int Receive(int socket, Span<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            return Result(Receive(socket, start, (nuint)bytes.Length, DontWait), "recv");
        }
    }

    /// <summary>As <see cref="Receive(int, Span{byte})"/>, but takes all there is and lets the kernel throw it away: nothing is copied.</summary>
    public static int Discard(int socket) => Result(Receive(socket, null, 1 << 30, DontWait | Truncate), "recv");

    public static int Check(int result, string call) => result >= 0 ? result : throw new LoadException($"{call}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastSystemError())}");

    [LibraryImport("libc", EntryPoint = "epoll_create1")]
    public static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl")]
    public static partial int EpollControl(int epoll, int operation, int socket, byte* change);

    /// <param name="timeout">Seconds and nanoseconds.</param>
    [LibraryImport("libc", EntryPoint = "epoll_pwait2")]
    public static partial int EpollWait(int epoll, byte* events, int room, long* timeout, void* mask);

    [LibraryImport("libc", EntryPoint = "poll")]
    public static partial int Poll(ulong* socketAndEvents, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "prctl")]
    public static partial int ProcessControl(int option, nuint value);

    /// <param name="time">Seconds and nanoseconds.</param>
    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    public static partial int GetClock(int clock, long* time);

    private static int Result(nint count, string call)
    {
        if (count >= 0)
        {
            return (int)count;
        }

        int error = Marshal.GetLastSystemError();
        return error is WouldBlock or Interrupted ? -1 : throw new LoadException($"{call}: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    private static void Write(byte* target, IPAddress address, int port)
    {
        Span<byte> bytes = new(target, 16);
        bytes.Clear();
        BitConverter.TryWriteBytes(bytes, (ushort)2); // AF_INET
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], (ushort)port);
        address.TryWriteBytes(bytes[4..], out _);
    }

    [LibraryImport("libc", EntryPoint = "socket")]
    private static partial int Socket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind")]
    private static partial int Bind(int socket, byte* address, int size);

    [LibraryImport("libc", EntryPoint = "connect")]
    private static partial int Connect(int socket, byte* address, int size);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    private static partial int SetOption(int socket, int level, int option, void* value, int size);

    [LibraryImport("libc", EntryPoint = "getsockopt")]
    private static partial int GetOption(int socket, int level, int option, void* value, int* size);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "send")]
    private static partial nint Send(int socket, byte* bytes, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "recv")]
    private static partial nint Receive(int socket, byte* bytes, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, ulong* limit);

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, ulong* limit);
}
