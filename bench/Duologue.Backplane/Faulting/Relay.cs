using System.Net;
using System.Net.Sockets;
using Duologue.Comparison;

namespace Duologue.Backplane;

/// <summary>
/// Forwards TCP connections: to whichever of several ports accepts one, in turn, as a balancer does; or to one, so that a link can be cut.
/// </summary>
internal sealed class Relay : IDisposable
{
    private readonly TcpListener _listener = Listen();
    private readonly IReadOnlyList<int> _ports;
    private readonly HashSet<Socket> _open = [];
    private readonly CancellationTokenSource _stop = new();
    private bool _isCut;
    private int _next;

    public Relay(IReadOnlyList<int> ports)
    {
        _ports = ports;
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Resets all connections, and every one that comes, until <see cref="Mend"/>.</summary>
    public void Cut()
    {
        Socket[] open;
        lock (_open)
        {
            (_isCut, open) = (true, [.. _open]);
        }

        Array.ForEach(open, Reset);
    }

    public void Mend()
    {
        lock (_open)
        {
            _isCut = false;
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        Cut();
        _stop.Dispose();
    }

    // Not any port that the system gives: what a busy machine has lately used of those is not free yet.
    private static TcpListener Listen()
    {
        while (true)
        {
            TcpListener listener = new(IPAddress.Loopback, RedisProcess.FreePort());
            try
            {
                listener.Start();
                return listener;
            }
            catch (SocketException)
            {
                listener.Dispose();
            }
        }
    }

    // Without the linger time the end is a reset, as when a machine goes.
    private static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(enable: true, seconds: 0);
            socket.Dispose();
        }
        catch (ObjectDisposedException)
        {
            // It has ended meanwhile by itself.
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = ForwardAsync(await _listener.AcceptSocketAsync(_stop.Token));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The run is over.
        }
    }

    private async Task ForwardAsync(Socket near)
    {
        Socket? far = null;
        try
        {
            far = await ConnectAsync();
            near.NoDelay = far.NoDelay = true;
            lock (_open)
            {
                if (_isCut)
                {
                    throw new SocketException((int)SocketError.ConnectionReset);
                }

                _open.Add(near);
                _open.Add(far);
            }

            await Task.WhenAny(CopyAsync(near, far), CopyAsync(far, near));
        }
        catch (Exception exception) when (exception is SocketException or RunException)
        {
            // Both ends find it out.
        }
        finally
        {
            lock (_open)
            {
                _open.Remove(near);
                _ = far is not null && _open.Remove(far);
            }

            // Who is cut off is to know at once, on either side.
            far?.Dispose();
            near.Dispose();
        }
    }

    private async Task<Socket> ConnectAsync()
    {
        for (int attempt = 0; attempt < _ports.Count; attempt++)
        {
            Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, _ports[(Interlocked.Increment(ref _next) & int.MaxValue) % _ports.Count], _stop.Token);
                return socket;
            }
            catch (SocketException)
            {
                socket.Dispose();
            }
        }

        throw new RunException("Nobody listens.");
    }

    private static async Task CopyAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[16 * 1024];
        try
        {
            int count;
            while ((count = await from.ReceiveAsync(buffer)) > 0)
            {
                for (int sent = 0; sent < count;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, count - sent));
                }
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Cut.
        }
    }
}
