using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Duologue.EventLoop.Native;

/// <summary>Sockets by their descriptors: opening listeners, setting options, ending connections.</summary>
internal static unsafe class Sockets
{
    private const int Backlog = 4096;

    /// <summary>Opens as many listeners on one endpoint as there are loops, by SO_REUSEPORT; a Unix socket has one.</summary>
    /// <exception cref="AddressInUseException">Somebody else listens there.</exception>
    /// <exception cref="SocketException">The endpoint cannot be listened on.</exception>
    public static int[] Listen(EndPoint endpoint, int count, bool nonBlocking)
    {
        bool shared = endpoint is IPEndPoint && count > 1;
        var listeners = new int[shared ? count : 1];
        Array.Fill(listeners, -1);
        try
        {
            // SO_REUSEPORT would let us join a port that another server of the same user has: the first binds without it, and is
            // told by the kernel if there is anybody. Then the option opens the port to our others.
            listeners[0] = Open(endpoint, nonBlocking);
            Bind(listeners[0], endpoint);
            if (shared)
            {
                SetOption(listeners[0], Constants.LevelSocket, Constants.OptionReusePort, 1);
                EndPoint bound = SocketAddresses.GetLocal(listeners[0]) ?? endpoint;
                for (int i = 1; i < count; i++)
                {
                    listeners[i] = Open(endpoint, nonBlocking);
                    SetOption(listeners[i], Constants.LevelSocket, Constants.OptionReusePort, 1);
                    Bind(listeners[i], bound);
                }
            }

            foreach (int listener in listeners)
            {
                if (Libc.Listen(listener, Backlog) != 0)
                {
                    throw ToException(Libc.LastError, endpoint);
                }
            }

            return listeners;
        }
        catch
        {
            foreach (int listener in listeners)
            {
                if (listener >= 0)
                {
                    _ = Libc.Close(listener);
                }
            }

            throw;
        }
    }

    /// <summary>Sends pieces with one call that does not wait. The pieces must not move meanwhile.</summary>
    /// <returns>How much the socket took; 0 with an error.</returns>
    public static long Send(int descriptor, IoVector* vectors, int count, out int error)
    {
        nint sent;
        if (count == 1)
        {
            sent = Libc.Send(descriptor, vectors->Start, vectors->Length, Constants.MessageNoSignal | Constants.MessageDoNotWait);
        }
        else
        {
            MessageHeader message = default;
            message.Vectors = vectors;
            message.VectorCount = (nuint)count;
            sent = Libc.SendMessage(descriptor, &message, Constants.MessageNoSignal | Constants.MessageDoNotWait);
        }

        error = sent < 0 ? Libc.LastError : 0;
        return Math.Max(0, sent);
    }

    /// <summary>Ends a connection with a reset rather than a FIN when it is closed next.</summary>
    public static void ResetOnClose(int descriptor)
    {
        // struct linger { on, seconds }.
        int* linger = stackalloc int[2];
        linger[0] = 1;
        linger[1] = 0;
        _ = Libc.SetOption(descriptor, Constants.LevelSocket, Constants.OptionLinger, linger, 2 * sizeof(int));
    }

    /// <summary>Turns an errno into what the platform's sockets would throw.</summary>
    public static SocketException ToException(int error) => new(error switch
    {
        Errno.ConnectionReset or Errno.BrokenPipe => (int)SocketError.ConnectionReset,
        Errno.ConnectionAborted => (int)SocketError.ConnectionAborted,
        Errno.TimedOut => (int)SocketError.TimedOut,
        Errno.AddressInUse => (int)SocketError.AddressAlreadyInUse,
        Errno.AddressNotAvailable => (int)SocketError.AddressNotAvailable,
        Errno.AccessDenied or Errno.NotPermitted => (int)SocketError.AccessDenied,
        Errno.DescriptorsExhausted or Errno.SystemDescriptorsExhausted => (int)SocketError.TooManyOpenSockets,
        _ => (int)SocketError.SocketError,
    }, $"A system call on a socket failed with errno {error}.");

    private static int Open(EndPoint endpoint, bool nonBlocking)
    {
        int descriptor = Libc.Socket(SocketAddresses.FamilyOf(endpoint), Constants.SocketStream | Constants.SocketCloseOnExec | (nonBlocking ? Constants.SocketNonBlocking : 0), 0);
        if (descriptor < 0)
        {
            throw ToException(Libc.LastError);
        }

        if (endpoint is IPEndPoint ip)
        {
            // As the platform's sockets do: a restarted server gets its port while old connections are in TIME_WAIT.
            SetOption(descriptor, Constants.LevelSocket, Constants.OptionReuseAddress, 1);

            // Accepted sockets inherit it.
            SetOption(descriptor, Constants.LevelTcp, Constants.OptionTcpNoDelay, 1);
            if (ip.AddressFamily == AddressFamily.InterNetworkV6)
            {
                SetOption(descriptor, Constants.LevelIpv6, Constants.OptionIpv6Only, ip.Address.Equals(IPAddress.IPv6Any) ? 0 : 1);
            }
        }

        return descriptor;
    }

    private static void Bind(int descriptor, EndPoint endpoint)
    {
        byte* address = stackalloc byte[SocketAddresses.MaxSize];
        int length = SocketAddresses.Write(endpoint, new Span<byte>(address, SocketAddresses.MaxSize));
        Debug.Assert(length <= SocketAddresses.MaxSize, "The kernel reads no more than was written.");
        if (Libc.Bind(descriptor, address, (uint)length) != 0)
        {
            throw ToException(Libc.LastError, endpoint);
        }
    }

    private static Exception ToException(int error, EndPoint endpoint)
    {
        SocketException exception = ToException(error);

        // What Kestrel looks for, to say which address it is.
        return error == Errno.AddressInUse ? new AddressInUseException($"Something else listens on {endpoint}.", exception) : exception;
    }

    private static void SetOption(int descriptor, int level, int name, int value)
    {
        if (Libc.SetOption(descriptor, level, name, &value, sizeof(int)) != 0)
        {
            throw ToException(Libc.LastError);
        }
    }
}
