using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Duologue.Tests.Client.Proxies;

/// <summary>A small SOCKS5 proxy without authentication (RFC 1928), on a free port of 127.0.0.1.</summary>
internal sealed class SocksProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private readonly ConcurrentBag<Task> _serving = [];
    private readonly bool _refuse;

    public SocksProxy(bool refuse = false)
    {
        _refuse = refuse;
        _listener.Start();
        Uri = new Uri($"socks5://{_listener.LocalEndpoint}");
        _accepting = AcceptAsync();
    }

    public Uri Uri { get; }

    /// <summary>The targets that were asked for, as host:port.</summary>
    public ConcurrentQueue<string> Targets { get; } = [];

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (Task serving in _serving)
        {
            await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            _serving.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            NetworkStream stream = client.GetStream();

            // RFC 1928 §3: version, number of methods, methods; we take "no authentication".
            byte[] hello = await ReadAsync(stream, 2);
            await ReadAsync(stream, hello[1]);
            await stream.WriteAsync(new byte[] { 5, 0 }, _stop.Token);

            // §4: version, command, reserved, address type, address, port.
            byte[] request = await ReadAsync(stream, 4);
            string host = request[3] == 3
                ? Encoding.ASCII.GetString(await ReadAsync(stream, (await ReadAsync(stream, 1))[0]))
                : new IPAddress(await ReadAsync(stream, request[3] == 1 ? 4 : 16)).ToString();
            int port = BinaryPrimitives.ReadUInt16BigEndian(await ReadAsync(stream, 2));
            Targets.Enqueue($"{host}:{port}");

            // §6: reply; 0 succeeded, 2 not allowed by ruleset.
            await stream.WriteAsync(new byte[] { 5, (byte)(_refuse ? 2 : 0), 0, 1, 0, 0, 0, 0, 0, 0 }, _stop.Token);
            if (_refuse)
            {
                return;
            }

            using var target = new TcpClient();
            await target.ConnectAsync(host, port, _stop.Token);
            await Tunnel.RunAsync(stream, target.GetStream(), _stop.Token);
        }
    }

    private async Task<byte[]> ReadAsync(NetworkStream stream, int count)
    {
        byte[] bytes = new byte[count];
        await stream.ReadExactlyAsync(bytes, _stop.Token);
        return bytes;
    }
}
