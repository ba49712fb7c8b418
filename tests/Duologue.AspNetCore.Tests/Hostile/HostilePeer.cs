using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Duologue.AspNetCore.Tests.Support;

namespace Duologue.AspNetCore.Tests.Hostile;

/// <summary>A TCP connection on which a test says any bytes, and sees the exact bytes that come back.</summary>
internal sealed class HostilePeer : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private byte[] _received = new byte[1024];
    private int _start;
    private int _end;

    private HostilePeer()
    {
    }

    public static async Task<HostilePeer> ConnectAsync(Uri url)
    {
        var peer = new HostilePeer();
        try
        {
            await peer._socket.ConnectAsync(url.Host, url.Port, TestContext.Current.CancellationToken);
        }
        catch
        {
            peer.Dispose();
            throw;
        }

        return peer;
    }

    public static async Task<HostilePeer> OpenAsync(Uri url, string path)
    {
        HostilePeer peer = await ConnectAsync(url);
        await peer.SayAsync(Encoding.ASCII.GetBytes(Request(path)));
        string head = await peer.HearHeadAsync();
        Assert.StartsWith("HTTP/1.1 101 Switching Protocols\r\n", head, StringComparison.Ordinal);
        return peer;
    }

    /// <summary>A correct opening handshake.</summary>
    public static string Request(string path) => Request(path, "13", "dGhlIHNhbXBsZSBub25jZQ==");

    public static string Request(string path, string version, string key) =>
        $"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: {version}\r\n\r\n";

    /// <summary>A frame as a client sends it, with a mask that changes nothing.</summary>
    /// <param name="first">FIN, reserved bits and opcode.</param>
    /// <param name="payload">The payload.</param>
    /// <param name="claimed">The length that the header claims.</param>
    public static byte[] Frame(byte first, ReadOnlySpan<byte> payload, ulong claimed)
    {
        byte[] frame = new byte[payload.Length + 14];
        frame[0] = first;
        int size = 2;
        if (claimed < 126)
        {
            frame[1] = (byte)(0x80 | claimed);
        }
        else if (claimed <= ushort.MaxValue)
        {
            frame[1] = 0x80 | 126;
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(2), (ushort)claimed);
            size = 4;
        }
        else
        {
            frame[1] = 0x80 | 127;
            BinaryPrimitives.WriteUInt64BigEndian(frame.AsSpan(2), claimed);
            size = 10;
        }

        size += 4;
        payload.CopyTo(frame.AsSpan(size));
        return frame[..(size + payload.Length)];
    }

    public static byte[] Frame(byte first, ReadOnlySpan<byte> payload) => Frame(first, payload, (ulong)payload.Length);

    /// <summary>The Close frame that a server sends.</summary>
    public static byte[] Close(ushort code, string reason)
    {
        byte[] text = Encoding.UTF8.GetBytes(reason);
        return [0x88, (byte)(text.Length + 2), (byte)(code >> 8), (byte)code, .. text];
    }

    public async Task SayAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await _socket.SendAsync(bytes, TestContext.Current.CancellationToken)..];
        }
    }

    /// <summary>Says no more; still listens.</summary>
    public void FallSilent() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Ends the TCP connection with a reset.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    /// <summary>The head of an HTTP answer, with its empty line.</summary>
    public async Task<string> HearHeadAsync()
    {
        while (true)
        {
            int at = _received.AsSpan(_start, _end - _start).IndexOf("\r\n\r\n"u8);
            if (at >= 0)
            {
                return Encoding.ASCII.GetString(Take(at + 4));
            }

            Assert.True(await ReceiveAsync(), "The server ended the connection within its answer.");
        }
    }

    public async Task<byte[]> HearAsync(int count)
    {
        while (_end - _start < count)
        {
            Assert.True(await ReceiveAsync(), $"The server ended the connection after {Convert.ToHexString(_received.AsSpan(_start, _end - _start))}.");
        }

        return Take(count);
    }

    /// <summary>All that comes until the server ends the connection.</summary>
    /// <returns>The bytes, and whether the end was a reset.</returns>
    public async Task<(byte[] Bytes, bool Reset)> HearToEndAsync()
    {
        bool reset = false;
        try
        {
            while (await ReceiveAsync())
            {
            }
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            reset = true;
        }

        return (Take(_end - _start), reset);
    }

    public void Dispose() => _socket.Dispose();

    private byte[] Take(int count)
    {
        byte[] taken = _received[_start..(_start + count)];
        _start += count;
        return taken;
    }

    private async Task<bool> ReceiveAsync()
    {
        if (_end == _received.Length)
        {
            Array.Resize(ref _received, _received.Length * 2);
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TestHost.Patience);
        int count = await _socket.ReceiveAsync(_received.AsMemory(_end), patience.Token);
        _end += count;
        return count > 0;
    }
}
