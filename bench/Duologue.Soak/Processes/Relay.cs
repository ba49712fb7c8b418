using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Duologue.Soak;

/// <summary>Carries TCP connections to a port of this machine, and cuts them when told.</summary>
internal sealed class Relay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _over = new();
    private readonly ConcurrentDictionary<long, (Socket One, Socket Other)> _pairs = new();
    private readonly int _target;
    private readonly Task _accepting;
    private long _last;
    private int _cuts;
    private int _opened;

    public Relay(int target)
    {
        _target = target;
        _listener.Start(1024);
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAllAsync();
    }

    public int Port { get; }

    public string Address => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    /// <summary>Whether nobody gets through: what comes is ended at once.</summary>
    public bool IsClosed { get; set; }

    public int Cuts => Volatile.Read(ref _cuts);

    public int Open => _pairs.Count;

    /// <summary>How many connections have come.</summary>
    public int Opened => Volatile.Read(ref _opened);

    public void CutAll() => Cut(static _ => true);

    /// <summary>Cuts those that are chosen, some with a reset and some with an end.</summary>
    public void Cut(Func<long, bool> isChosen)
    {
        foreach ((long id, (Socket one, Socket other)) in _pairs)
        {
            if (isChosen(id))
            {
                Interlocked.Increment(ref _cuts);
                End(one, id % 2 == 0);
                End(other, id % 2 == 0);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        _listener.Stop();
        await _accepting;
        CutAll();
    }

    private static void End(Socket socket, bool resets)
    {
        try
        {
            if (resets)
            {
                socket.LingerState = new LingerOption(true, 0);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It has ended by itself.
        }

        socket.Dispose();
    }

    private async Task AcceptAllAsync()
    {
        try
        {
            while (true)
            {
                Socket client = await _listener.AcceptSocketAsync(_over.Token);
                if (IsClosed)
                {
                    End(client, resets: true);
                    continue;
                }

                Interlocked.Increment(ref _opened);
                _ = CarryAsync(client);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The run is over.
        }
    }

    private async Task CarryAsync(Socket client)
    {
        long id = Interlocked.Increment(ref _last);
        var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.NoDelay = true;
        _pairs.TryAdd(id, (client, server));
        try
        {
            await server.ConnectAsync(IPAddress.Loopback, _target, _over.Token);
            await Task.WhenAll(CopyAsync(client, server), CopyAsync(server, client));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Nobody listens there at this moment, or it was cut.
        }
        finally
        {
            _pairs.TryRemove(id, out _);
            client.Dispose();
            server.Dispose();
        }
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[8 * 1024];
        try
        {
            int count;
            while ((count = await from.ReceiveAsync(buffer, _over.Token)) > 0)
            {
                for (int sent = 0; sent < count;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, count - sent), _over.Token);
                }
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // A reset of one side is a reset for the other.
            End(from, resets: true);
            End(to, resets: true);
        }
    }
}
