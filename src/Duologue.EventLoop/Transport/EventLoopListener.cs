using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Native;
using Microsoft.AspNetCore.Connections;

namespace Duologue.EventLoop.Transport;

/// <summary>One endpoint, listened on by every loop; Kestrel takes the connections of all of them from one queue.</summary>
internal sealed class EventLoopListener : IConnectionListener, IAcceptor
{
    /// <summary>So many connections may wait for Kestrel; then they wait in the kernel.</summary>
    private const int QueueLimit = 1024;

    private readonly Channel<PipeConnection> _accepted = Channel.CreateUnbounded<PipeConnection>(new UnboundedChannelOptions { SingleReader = true });
    private readonly IReadOnlyList<Loop> _loops;
    private readonly (Loop Loop, LoopListener Listener)[] _listeners;
    private readonly PipeSettings _settings;
    private readonly EndPoint? _local;
    private readonly string? _path;
    private int _waiting;
    private int _resting;
    private Task? _unbound;

    // Of the one loop that accepts, where there is only one.
    private uint _next;

    /// <summary>Begins to listen.</summary>
    /// <exception cref="AddressInUseException">Somebody else does.</exception>
    public EventLoopListener(EndPoint endpoint, IReadOnlyList<Loop> loops, PipeSettings settings)
    {
        _settings = settings;
        _loops = loops;
        int[] descriptors = Sockets.Listen(endpoint, loops.Count, loops[0].WantsNonBlocking);
        EndPoint = endpoint is IPEndPoint ? SocketAddresses.GetLocal(descriptors[0]) ?? endpoint : endpoint;
        Name = EndPoint.ToString()!;

        // Where it listens on one address, every connection's local address is that one.
        bool isAny = EndPoint is IPEndPoint ip && (ip.Address.Equals(IPAddress.Any) || ip.Address.Equals(IPAddress.IPv6Any));
        _local = isAny ? null : EndPoint;
        _path = endpoint is UnixDomainSocketEndPoint unix && SocketAddresses.PathOf(unix) is var path && path[0] != '@' ? path : null;
        _listeners = new (Loop, LoopListener)[descriptors.Length];
        for (int i = 0; i < descriptors.Length; i++)
        {
            Loop loop = loops[i];
            var listener = new LoopListener(descriptors[i], this);
            _listeners[i] = (loop, listener);
            loop.Post(() => loop.Listen(listener));
        }
    }

    public EndPoint EndPoint { get; }

    public string Name { get; }

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (await _accepted.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            if (_accepted.Reader.TryRead(out PipeConnection? connection))
            {
                if (Interlocked.Decrement(ref _waiting) <= QueueLimit / 2 && Interlocked.Exchange(ref _resting, 0) == 1)
                {
                    ResumeAll();
                }

                return connection;
            }
        }

        return null;
    }

    bool IAcceptor.OnAccepted(Loop loop, LoopListener listener, int descriptor, ReadOnlySpan<byte> remote)
    {
        var connection = new PipeConnection(_local ?? SocketAddresses.GetLocal(descriptor), remote.IsEmpty ? SocketAddresses.GetRemote(descriptor) : SocketAddresses.Read(remote), _settings);

        // A Unix socket has one listener for all loops: its connections go round.
        Loop home = _listeners.Length == _loops.Count ? loop : _loops[(int)(_next++ % (uint)_loops.Count)];
        Interlocked.Increment(ref _waiting);
        try
        {
            if (home != loop)
            {
                HandTo(home, connection, descriptor);
            }
            else if (!TakeIn(loop, connection, descriptor))
            {
                return false;
            }
        }
        catch
        {
            Interlocked.Decrement(ref _waiting);
            throw;
        }

        if (Volatile.Read(ref _waiting) < QueueLimit)
        {
            return true;
        }

        Interlocked.Exchange(ref _resting, 1);

        // Kestrel may have emptied the queue before it could see that we rest. All loops share the mark: whoever takes it back wakes the others, too.
        if (Volatile.Read(ref _waiting) < QueueLimit / 2 && Interlocked.Exchange(ref _resting, 0) == 1)
        {
            ResumeAll();
            return true;
        }

        return false;
    }

    // Apart, so that only who needs the closure pays for it.
    private void HandTo(Loop home, PipeConnection connection, int descriptor) => home.Post(() => TakeOver(home, connection, descriptor));

    /// <summary>A connection that another loop has accepted.</summary>
    private void TakeOver(Loop loop, PipeConnection connection, int descriptor)
    {
        bool isTaken = false;
        try
        {
            if (!loop.IsStopping)
            {
                TakeIn(loop, connection, descriptor);
                isTaken = true;
            }
        }
        finally
        {
            if (!isTaken)
            {
                Interlocked.Decrement(ref _waiting);
                _ = Libc.Close(descriptor);
            }
        }
    }

    /// <returns>False if nobody takes connections any more.</returns>
    private bool TakeIn(Loop loop, PipeConnection connection, int descriptor)
    {
        LoopSocket socket = loop.Add(descriptor, connection);
        try
        {
            connection.Begin(socket);
            if (_accepted.Writer.TryWrite(connection))
            {
                return true;
            }

            // Unbound at this moment.
            Interlocked.Decrement(ref _waiting);
            loop.Close(socket, reset: true);
            return false;
        }
        catch (Exception e)
        {
            // The kernel may refuse to watch one more descriptor (fs.epoll.max_user_watches, no memory): that costs this connection only.
            Interlocked.Decrement(ref _waiting);
            loop.Fail(socket, e);
            return true;
        }
    }

    private void ResumeAll()
    {
        foreach ((Loop loop, LoopListener listener) in _listeners)
        {
            loop.Post(() => loop.ResumeAccepting(listener));
        }
    }

    /// <summary>Stops to listen. Who will not wait any longer need not: it goes on by itself, and a server that is disposed without being stopped asks with a token that is cancelled already.</summary>
    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        Task unbound = _unbound ??= StopAsync();
        await unbound.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (unbound.IsCompleted)
        {
            await unbound.ConfigureAwait(false);
        }
    }

    /// <summary>Ends what Kestrel never took.</summary>
    public async ValueTask DisposeAsync()
    {
        await UnbindAsync().ConfigureAwait(false);
        while (_accepted.Reader.TryRead(out PipeConnection? connection))
        {
            connection.Abort(new ConnectionAbortedException("The server has stopped."));
            await connection.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task StopAsync()
    {
        foreach ((Loop loop, LoopListener listener) in _listeners)
        {
            loop.Post(() => loop.Unlisten(listener));
        }

        foreach ((_, LoopListener listener) in _listeners)
        {
            await listener.Stopped.ConfigureAwait(false);
            _ = Libc.Close(listener.Descriptor);
        }

        _accepted.Writer.TryComplete();
        try
        {
            if (_path is not null)
            {
                File.Delete(_path);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Its folder is gone, or is nobody's to change any more: a name that leads nowhere must not keep a server from stopping.
        }
    }
}
