using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Duologue.Redis.Tests.Support;

/// <summary>A line that a test can cut, as a cable: nothing is said to anyone, and nobody comes through until it is mended. It can lead those who come later to somewhere else, as a balancer does.</summary>
internal sealed class CuttableLink : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Lock _lock = new();
    private readonly List<Socket> _sockets = [];
    private volatile EndPoint _target;
    private readonly Task _accepting;
    private bool _isCut;

    public CuttableLink(StoreServer store)
        : this(IPEndPoint.Parse(store.Address))
    {
    }

    public CuttableLink(Node node)
        : this(EndPointOf(node))
    {
    }

    private CuttableLink(EndPoint target)
    {
        _target = target;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Address => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    public void LeadTo(Node node) => _target = EndPointOf(node);

    public void Cut()
    {
        lock (_lock)
        {
            _isCut = true;
            _sockets.ForEach(socket => socket.Dispose());
            _sockets.Clear();
        }
    }

    public void Mend()
    {
        lock (_lock)
        {
            _isCut = false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Cut();
        _listener.Dispose();
        await _accepting;
    }

    private static IPEndPoint EndPointOf(Node node) => new(IPAddress.Loopback, new Uri(node.Url).Port);

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket client = await _listener.AcceptSocketAsync();
                var store = new Socket(SocketType.Stream, ProtocolType.Tcp);
                lock (_lock)
                {
                    if (_isCut)
                    {
                        client.Dispose();
                        store.Dispose();
                        continue;
                    }

                    _sockets.AddRange([client, store]);
                }

                _ = CarryAsync(client, store);
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task CarryAsync(Socket client, Socket store)
    {
        try
        {
            await store.ConnectAsync(_target);
            await Task.WhenAny(CopyAsync(client, store), CopyAsync(store, client));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It was cut, or the store is not there.
        }

        client.Dispose();
        store.Dispose();
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
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It was cut.
        }
    }
}
