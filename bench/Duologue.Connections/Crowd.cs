using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Duologue.Connections;

/// <summary>Connections that were opened and have each had one message echoed; then they are silent.</summary>
/// <param name="port">The server's.</param>
/// <param name="network">They come from 127.0.this.1 and on: a port is not free for a minute after its connection has ended.</param>
internal sealed class Crowd(int port, byte network) : IDisposable
{
    private const int Lanes = 16;

    // So many ports of one address, of the 28,000 that Linux gives out by default.
    private const int PerAddress = 10_000;

    private static readonly byte[] Frame = [0x82, 0x84, 1, 2, 3, 4, 1, 2, 3, 4];
    private static readonly byte[] Echo = [0x82, 0x04, 0, 0, 0, 0];

    private readonly byte[] _request = Encoding.ASCII.GetBytes(
        $"GET /echo HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");

    private readonly List<Socket> _sockets = [];
    private int _next;

    public Crowd(int port)
        : this(port, 0)
    {
    }

    public int Count => _sockets.Count;

    /// <summary>Opens as many as are missing, some at a time.</summary>
    public async Task GrowAsync(int count)
    {
        int first = _sockets.Count;
        var opened = new Socket[count - first];
        _next = 0;
        await Task.WhenAll(Enumerable.Range(0, Lanes).Select(_ => Task.Run(async () =>
        {
            byte[] buffer = new byte[1024];
            for (int i = Interlocked.Increment(ref _next) - 1; i < opened.Length; i = Interlocked.Increment(ref _next) - 1)
            {
                opened[i] = await OpenAsync(first + i, buffer);
            }
        })));
        _sockets.AddRange(opened);
    }

    /// <summary>Answers the pings that have come, as a peer must that wants to stay.</summary>
    /// <exception cref="InvalidOperationException">The server has ended a connection.</exception>
    public void AnswerPings()
    {
        byte[] buffer = new byte[256];
        foreach (Socket socket in _sockets)
        {
            if (!socket.Poll(0, SelectMode.SelectRead))
            {
                continue;
            }

            int length = socket.Receive(buffer);
            for (int at = 0; at < length; at += 2 + buffer[at + 1])
            {
                if (buffer[at] != 0x89)
                {
                    throw new InvalidOperationException("The server ended a connection that was idle.");
                }

                // A mask of zeros leaves the payload as it is.
                byte size = buffer[at + 1];
                socket.Send([0x8A, (byte)(0x80 | size), 0, 0, 0, 0, .. buffer.AsSpan(at + 2, size)]);
            }

            if (length == 0)
            {
                throw new InvalidOperationException("The server ended a connection that was idle.");
            }
        }
    }

    public void Dispose()
    {
        foreach (Socket socket in _sockets)
        {
            socket.Dispose();
        }

        _sockets.Clear();
    }

    private async Task<Socket> OpenAsync(int number, byte[] buffer)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

        // The port is chosen when it connects. Bind would look for one that no ended connection had within the last minute, to whatever server:
        // after some 10,000 of them that takes over a millisecond each, and the server is measured waiting.
        const int Ip = 0, BindAddressNoPort = 24; // SOL_IP, IP_BIND_ADDRESS_NO_PORT
        socket.SetRawSocketOption(Ip, BindAddressNoPort, [1, 0, 0, 0]);
        socket.Bind(new IPEndPoint(new IPAddress([127, 0, network, (byte)(1 + (number / PerAddress))]), 0));
        await socket.ConnectAsync(IPAddress.Loopback, port);
        await socket.SendAsync(_request);
        int length = 0;
        while (!buffer.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
        {
            length += await ReceiveAsync(socket, buffer.AsMemory(length));
        }

        if (!buffer.AsSpan().StartsWith("HTTP/1.1 101"u8))
        {
            throw new InvalidOperationException($"The server refused a handshake: {Encoding.ASCII.GetString(buffer, 0, length)}");
        }

        await socket.SendAsync(Frame);
        for (length = 0; length < Echo.Length;)
        {
            length += await ReceiveAsync(socket, buffer.AsMemory(length));
        }

        return buffer.AsSpan(0, length).SequenceEqual(Echo) ? socket : throw new InvalidOperationException("The echo is not what was sent.");
    }

    private static async Task<int> ReceiveAsync(Socket socket, Memory<byte> buffer)
    {
        int count = await socket.ReceiveAsync(buffer);
        return count != 0 ? count : throw new InvalidOperationException("The server ended a connection.");
    }
}
