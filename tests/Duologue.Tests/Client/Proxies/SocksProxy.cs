using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Duologue.Tests.Client.Peers;

namespace Duologue.Tests.Client.Proxies;

/// <summary>A small SOCKS5 proxy without authentication (RFC 1928), on a free port of 127.0.0.1.</summary>
internal sealed class SocksProxy : IAsyncDisposable
{
    private readonly AcceptLoop _loop = new();
    private readonly bool _refuse;

    public SocksProxy(bool refuse = false)
    {
        _refuse = refuse;
        Uri = new Uri($"socks5://{_loop.EndPoint}");
        _loop.Start(ServeAsync);
    }

    public Uri Uri { get; }

    /// <summary>The targets that were asked for, as host:port.</summary>
    public ConcurrentQueue<string> Targets { get; } = [];

    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            NetworkStream stream = client.GetStream();

            // RFC 1928 §3: version, number of methods, methods; we take "no authentication".
            byte[] hello = await ReadAsync(stream, 2);
            await ReadAsync(stream, hello[1]);
            await stream.WriteAsync(new byte[] { 5, 0 }, _loop.Stop);

            // §4: version, command, reserved, address type, address, port.
            byte[] request = await ReadAsync(stream, 4);
            string host = request[3] == 3
                ? Encoding.ASCII.GetString(await ReadAsync(stream, (await ReadAsync(stream, 1))[0]))
                : new IPAddress(await ReadAsync(stream, request[3] == 1 ? 4 : 16)).ToString();
            int port = BinaryPrimitives.ReadUInt16BigEndian(await ReadAsync(stream, 2));
            Targets.Enqueue($"{host}:{port}");

            // §6: reply; 0 succeeded, 2 not allowed by ruleset.
            await stream.WriteAsync(new byte[] { 5, (byte)(_refuse ? 2 : 0), 0, 1, 0, 0, 0, 0, 0, 0 }, _loop.Stop);
            if (_refuse)
            {
                return;
            }

            using var target = new TcpClient();
            await target.ConnectAsync(host, port, _loop.Stop);
            await Tunnel.RunAsync(stream, target.GetStream(), _loop.Stop);
        }
    }

    private async Task<byte[]> ReadAsync(NetworkStream stream, int count)
    {
        byte[] bytes = new byte[count];
        await stream.ReadExactlyAsync(bytes, _loop.Stop);
        return bytes;
    }
}
