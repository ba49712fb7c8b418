using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Duologue.EventLoop.Tests.Support;

/// <summary>A TCP connection that says exactly what the test wants it to say, in frames or not.</summary>
internal sealed class RawPeer : IDisposable
{
    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private int _start;
    private int _end;

    private RawPeer(Socket socket) => _socket = socket;

    public Socket Socket => _socket;

    public static Task<RawPeer> ConnectAsync(Uri url) => ConnectAsync(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp), url);

    private static async Task<RawPeer> ConnectAsync(Socket socket, Uri url)
    {
        socket.NoDelay = true;
        await socket.ConnectAsync(IPAddress.Loopback, url.Port, TestContext.Current.CancellationToken);
        return new RawPeer(socket);
    }

    /// <summary>Connects and completes the opening handshake.</summary>
    public static Task<RawPeer> OpenAsync(Uri url, string path) => OpenAsync(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp), url, path);

    /// <summary>The same of a peer whose kernel takes in a few KB and no more, until it reads.</summary>
    public static Task<RawPeer> OpenNarrowAsync(Uri url, string path) =>
        OpenAsync(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 1 }, url, path);

    private static async Task<RawPeer> OpenAsync(Socket socket, Uri url, string path)
    {
        RawPeer peer = await ConnectAsync(socket, url);
        await peer.SendAsync(Encoding.ASCII.GetBytes(Handshake(path)));
        await peer.ReadHeadAsync();
        return peer;
    }

    public static string Handshake(string path) =>
        $"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    /// <summary>A client's frame, with a mask of zeros: still a mask.</summary>
    public static byte[] MaskedFrame(byte first, ReadOnlySpan<byte> payload)
    {
        int extra = payload.Length < 126 ? 0 : payload.Length <= ushort.MaxValue ? 2 : 8;
        byte[] frame = new byte[6 + extra + payload.Length];
        frame[0] = first;
        frame[1] = (byte)(0x80 | (extra == 0 ? payload.Length : extra == 2 ? 126 : 127));
        if (extra == 2)
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(2), (ushort)payload.Length);
        }
        else if (extra == 8)
        {
            BinaryPrimitives.WriteUInt64BigEndian(frame.AsSpan(2), (ulong)payload.Length);
        }

        payload.CopyTo(frame.AsSpan(6 + extra));
        return frame;
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await _socket.SendAsync(bytes, TestContext.Current.CancellationToken)..];
        }
    }

    /// <summary>Reads the answer to the handshake, which must be 101.</summary>
    public async Task ReadHeadAsync()
    {
        var head = new StringBuilder();
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            head.Append((char)await ReadByteAsync());
        }

        Assert.StartsWith("HTTP/1.1 101", head.ToString(), StringComparison.Ordinal);
    }

    /// <summary>The next frame but pings, which it answers: its first byte and its payload.</summary>
    public async Task<(byte First, byte[] Payload)> ReadFrameAsync()
    {
        while (true)
        {
            (byte first, byte[] payload) = await ReadAnyFrameAsync();
            if (first != 0x89)
            {
                return (first, payload);
            }

            await SendAsync(MaskedFrame(0x8A, payload));
        }
    }

    private async Task<(byte First, byte[] Payload)> ReadAnyFrameAsync()
    {
        byte first = await ReadByteAsync();
        int length = await ReadByteAsync();
        if (length == 126)
        {
            length = BinaryPrimitives.ReadUInt16BigEndian(await ReadAsync(2));
        }
        else if (length == 127)
        {
            length = (int)BinaryPrimitives.ReadUInt64BigEndian(await ReadAsync(8));
        }

        return (first, await ReadAsync(length));
    }

    /// <summary>The next message, in however many frames it comes.</summary>
    public async Task<byte[]> ReadMessageAsync(byte expectedFirst)
    {
        (byte first, byte[] payload) = await ReadFrameAsync();
        Assert.Equal(expectedFirst & 0x7F, first & 0x7F);
        if ((first & 0x80) != 0)
        {
            return payload;
        }

        var all = new MemoryStream();
        all.Write(payload);
        do
        {
            (first, payload) = await ReadFrameAsync();
            Assert.Equal(0, first & 0x7F);
            all.Write(payload);
        }
        while ((first & 0x80) == 0);
        return all.ToArray();
    }

    /// <summary>Ends the connection, by FIN or by RST.</summary>
    public void Close(bool reset)
    {
        if (reset)
        {
            _socket.LingerState = new LingerOption(true, 0);
        }

        _socket.Close();
    }

    public void Dispose() => _socket.Dispose();

    private async Task<byte[]> ReadAsync(int length)
    {
        byte[] bytes = new byte[length];
        int read = 0;
        while (read < length)
        {
            if (_start == _end)
            {
                await FillAsync();
            }

            int count = Math.Min(length - read, _end - _start);
            _buffer.AsSpan(_start, count).CopyTo(bytes.AsSpan(read));
            _start += count;
            read += count;
        }

        return bytes;
    }

    private async ValueTask<byte> ReadByteAsync()
    {
        if (_start == _end)
        {
            await FillAsync();
        }

        return _buffer[_start++];
    }

    private async ValueTask FillAsync()
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(LoopHost.Patience);
        _start = 0;
        _end = await _socket.ReceiveAsync(_buffer, patience.Token);
        if (_end == 0)
        {
            throw new IOException("The server ended the connection.");
        }
    }
}
