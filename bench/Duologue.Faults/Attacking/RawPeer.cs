using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Duologue.Faults;

/// <summary>An attack did not end as it should have.</summary>
internal sealed class UnexpectedException(string message) : Exception(message);

/// <summary>A TCP connection on which an attacker says any bytes; it knows just enough of the protocol to read how it ends.</summary>
internal sealed class RawPeer : IDisposable
{
    private const int HeadLimit = 16 * 1024;

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly TimeSpan _patience;
    private byte[] _received = [];
    private int _start;
    private int _end;

    private RawPeer(TimeSpan patience) => _patience = patience;

    /// <param name="server">Where to connect to.</param>
    /// <param name="from">Whose address to bear.</param>
    /// <param name="window">How much the kernel takes unread, in bytes; 0 for its default.</param>
    /// <param name="patience">How long any wait may take.</param>
    public static async Task<RawPeer> ConnectAsync(Uri server, IPAddress from, int window, TimeSpan patience)
    {
        var peer = new RawPeer(patience);
        try
        {
            if (window != 0)
            {
                peer._socket.ReceiveBufferSize = window;
            }

            peer._socket.Bind(new IPEndPoint(from, 0));
            using var cancel = new CancellationTokenSource(patience);
            await peer._socket.ConnectAsync(IPAddress.Parse(server.Host), server.Port, cancel.Token);
            return peer;
        }
        catch
        {
            peer.Dispose();
            throw;
        }
    }

    public static byte[] Request(string path, string extensions) => Encoding.ASCII.GetBytes(
        $"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        + $"Sec-WebSocket-Version: 13\r\n{(extensions.Length == 0 ? "" : $"Sec-WebSocket-Extensions: {extensions}\r\n")}\r\n");

    /// <summary>A frame with a mask that changes nothing. A longer length may be claimed than there is payload.</summary>
    public static byte[] Frame(byte first, ReadOnlySpan<byte> payload, long claimed)
    {
        byte[] head = claimed switch
        {
            < 126 => [first, (byte)(0x80 | claimed)],
            <= ushort.MaxValue => [first, 0x80 | 126, (byte)(claimed >> 8), (byte)claimed],
            _ => [first, 0x80 | 127, .. BitConverter.IsLittleEndian ? BitConverter.GetBytes(claimed).Reverse() : BitConverter.GetBytes(claimed)],
        };
        return [.. head, 0, 0, 0, 0, .. payload];
    }

    public static byte[] Frame(byte first, ReadOnlySpan<byte> payload) => Frame(first, payload, payload.Length);

    /// <summary>The same frame many times.</summary>
    public static byte[] Repeat(byte[] frame, int count)
    {
        byte[] all = new byte[frame.Length * count];
        for (int i = 0; i < count; i++)
        {
            frame.CopyTo(all, i * frame.Length);
        }

        return all;
    }

    /// <summary>Sends an opening handshake and gives the status of the answer.</summary>
    public async Task<int> HandshakeAsync(string path, string extensions)
    {
        await SayAsync(Request(path, extensions));
        return await HearStatusAsync();
    }

    public async Task<int> HearStatusAsync()
    {
        int end;
        while ((end = _received.AsSpan(_start, _end - _start).IndexOf("\r\n\r\n"u8)) < 0)
        {
            if (_end - _start > HeadLimit || !await ReceiveAsync())
            {
                throw new UnexpectedException("the server ended the connection instead of answering the request");
            }
        }

        ReadOnlySpan<byte> head = _received.AsSpan(_start, end);
        _start += end + 4;
        return int.Parse(head.Slice("HTTP/1.1 ".Length, 3), System.Globalization.CultureInfo.InvariantCulture);
    }

    public async Task SayAsync(ReadOnlyMemory<byte> bytes)
    {
        using var cancel = new CancellationTokenSource(_patience);
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await _socket.SendAsync(bytes, cancel.Token)..];
        }
    }

    /// <summary>Says what may come too late: the server may have closed before all of it is said.</summary>
    public async Task FloodAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await SayAsync(bytes);
        }
        catch (SocketException)
        {
            // What matters is how the server ended it, which is read next.
        }
    }

    /// <summary>Reads frames, whatever they are, up to the server's Close, and gives its code. The end without one gives 1006.</summary>
    public async Task<int> HearCloseAsync()
    {
        while (true)
        {
            if (!await BufferAsync(2))
            {
                return 1006;
            }

            int length = _received[_start + 1] & 0x7F;
            int extended = length switch { 126 => 2, 127 => 8, _ => 0 };
            if (!await BufferAsync(2 + extended))
            {
                return 1006;
            }

            for (int i = 0; i < extended; i++)
            {
                length = i == 0 ? 0 : length;
                length = (length << 8) | _received[_start + 2 + i];
            }

            bool isClose = (_received[_start] & 0x0F) == 8;
            if (!await BufferAsync(2 + extended + length))
            {
                return 1006;
            }

            if (isClose)
            {
                return length < 2 ? 1005 : (_received[_start + 2] << 8) | _received[_start + 3];
            }

            _start += 2 + extended + length;
        }
    }

    /// <summary>Reads to the end of the connection.</summary>
    /// <returns>How many bytes came.</returns>
    public async Task<int> HearToEndAsync()
    {
        int count = _end - _start;
        _start = _end;
        while (await ReceiveAsync())
        {
            count += _end - _start;
            _start = _end;
        }

        return count;
    }

    /// <summary>Ends the TCP connection with a reset.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    public void Dispose() => _socket.Dispose();

    private async Task<bool> BufferAsync(int count)
    {
        while (_end - _start < count)
        {
            if (!await ReceiveAsync())
            {
                return false;
            }
        }

        return true;
    }

    // A reset is an end as well: how clean it is, the conformance suite judges.
    private async Task<bool> ReceiveAsync()
    {
        if (_start == _end)
        {
            (_start, _end) = (0, 0);
        }

        if (_end == _received.Length)
        {
            if (_start > 0)
            {
                _received.AsSpan(_start, _end - _start).CopyTo(_received);
                (_start, _end) = (0, _end - _start);
            }
            else
            {
                Array.Resize(ref _received, Math.Max(512, _received.Length * 2));
            }
        }

        using var cancel = new CancellationTokenSource(_patience);
        try
        {
            int count = await _socket.ReceiveAsync(_received.AsMemory(_end), cancel.Token);
            _end += count;
            return count > 0;
        }
        catch (SocketException)
        {
            return false;
        }
        catch (OperationCanceledException)
        {
            throw new UnexpectedException($"the server did not end the connection within {_patience.TotalSeconds:F0} s");
        }
    }
}
