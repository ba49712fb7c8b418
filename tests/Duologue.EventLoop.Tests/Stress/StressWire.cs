using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Duologue.EventLoop.Tests.Support;

namespace Duologue.EventLoop.Tests.Stress;

/// <summary>
/// A client's end of a connection that cuts what it sends at random, into writes and into fragments, with pings between, and compares what it receives as it comes. One
/// sends and one receives at a time.
/// </summary>
internal sealed class StressWire : IDisposable
{
    private const int Binary = 0x2;
    private const int CloseFrame = 0x8;
    private const int Ping = 0x9;
    private const int Pong = 0xA;
    private const int Fin = 0x80;

    private readonly Random _sending;
    private readonly Random _receiving;
    private readonly Tally _tally;
    private readonly CancellationToken _token;
    private readonly byte[] _in = new byte[16 * 1024];
    private readonly byte[] _out = new byte[32 * 1024];
    private int _start;
    private int _end;

    // Pings that may still be answered are those from the last pong's number on.
    private int _lastPing;
    private int _lastPong;

    private StressWire(Socket socket, int seed, Tally tally, CancellationToken token)
    {
        Socket = socket;
        _sending = new(seed);
        _receiving = new(~seed);
        _tally = tally;
        _token = token;
    }

    public Socket Socket { get; }

    /// <summary>Reads a little at a time, and rests between.</summary>
    public bool IsSlow { get; set; }

    public static async Task<StressWire> ConnectAsync(Uri url, int seed, Tally tally, CancellationToken token)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, url.Port, token);
        return new StressWire(socket, seed, tally, token);
    }

    public static async Task<StressWire> OpenAsync(Uri url, string path, int seed, Tally tally, CancellationToken token)
    {
        StressWire wire = await ConnectAsync(url, seed, tally, token);
        await wire.WriteAsync(Encoding.ASCII.GetBytes(RawPeer.Handshake(path)));
        var head = new StringBuilder();
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            head.Append((char)await wire.ReadByteAsync());
        }

        Assert.StartsWith("HTTP/1.1 101", head.ToString(), StringComparison.Ordinal);
        return wire;
    }

    /// <summary>Writes in random pieces.</summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int count = Math.Min(bytes.Length, _sending.Next(3) == 0 ? _sending.Next(1, 20) : _sending.Next(1, _out.Length));
            bytes = bytes[await Socket.SendAsync(bytes[..count], _token)..];
        }
    }

    /// <summary>Sends a message, in one frame or several, masked, perhaps with pings between.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> payload)
    {
        bool first = true;
        bool last;
        do
        {
            int count = _sending.Next(4) == 0 ? _sending.Next(payload.Length + 1) : payload.Length;
            last = count == payload.Length;
            if (_sending.Next(8) == 0)
            {
                byte[] number = new byte[4];
                BinaryPrimitives.WriteInt32LittleEndian(number, Interlocked.Increment(ref _lastPing));
                await SendFrameAsync(Fin | Ping, number, number.Length);
            }

            await SendFrameAsync((last ? Fin : 0) | (first ? Binary : 0), payload[..count], count);
            payload = payload[count..];
            first = false;
        }
        while (!last);
    }

    /// <summary>Sends less of a frame than its header says.</summary>
    public Task SendCutAsync(ReadOnlyMemory<byte> payload) => SendFrameAsync(Fin | Binary, payload[.._sending.Next(payload.Length + 1)], payload.Length + 1);

    /// <summary>Receives a message, which must be this one.</summary>
    public async Task ExpectAsync(ReadOnlyMemory<byte> expected)
    {
        int total = expected.Length;
        bool last;
        do
        {
            (last, long length) = await ReadDataHeaderAsync();
            Assert.True(length <= expected.Length, $"{length} bytes come; {expected.Length} of {total} are still to come.");
            while (length > 0)
            {
                int count = (int)Math.Min(length, await AvailableAsync());
                Assert.True(expected.Span[..count].SequenceEqual(_in.AsSpan(_start, count)), $"A message of {total} bytes came back changed, somewhere behind its first {total - expected.Length}.");
                _start += count;
                expected = expected[count..];
                length -= count;
            }
        }
        while (!last);
        Assert.True(expected.IsEmpty, $"A message of {total} bytes came back without its last {expected.Length}.");
        _tally.AddMessage(total);
    }

    public async Task<byte[]> ReadMessageAsync()
    {
        var message = new MemoryStream();
        bool last;
        do
        {
            (last, long length) = await ReadDataHeaderAsync();
            while (length > 0)
            {
                int count = (int)Math.Min(length, await AvailableAsync());
                message.Write(_in, _start, count);
                _start += count;
                length -= count;
            }
        }
        while (!last);
        return message.ToArray();
    }

    /// <summary>Closes and waits for the answer and the end; what comes before it is let pass.</summary>
    public async Task CloseAsync()
    {
        await SendFrameAsync(Fin | CloseFrame, new byte[] { 0x03, 0xE8 }, 2);
        while (true)
        {
            (int first, long length) = await ReadHeaderAsync();
            byte[] payload = await ReadAsync((int)length);
            if ((first & 0xF) == CloseFrame)
            {
                Assert.Equal([0x03, 0xE8], payload);
                break;
            }
        }

        Assert.Equal(0, await Socket.ReceiveAsync(_in, _token));
        Assert.Equal(_start, _end);
    }

    /// <summary>Reads to the end, by FIN or, where bytes of ours were under way, by a reset.</summary>
    public async Task ReadToEndAsync()
    {
        try
        {
            while (await Socket.ReceiveAsync(_in, _token) > 0)
            {
                await RestAsync();
            }
        }
        catch (SocketException e)
        {
            Assert.Equal(SocketError.ConnectionReset, e.SocketErrorCode);
        }
    }

    public void Close(bool reset)
    {
        if (reset)
        {
            Socket.LingerState = new LingerOption(true, 0);
        }

        Socket.Close();
    }

    public void Dispose() => Socket.Dispose();

    private async Task SendFrameAsync(int first, ReadOnlyMemory<byte> payload, int announced)
    {
        byte[] key = new byte[4];
        _sending.NextBytes(key);
        int at = 0;
        _out[at++] = (byte)first;
        if (announced < 126)
        {
            _out[at++] = (byte)(0x80 | announced);
        }
        else if (announced <= ushort.MaxValue)
        {
            _out[at++] = 0x80 | 126;
            BinaryPrimitives.WriteUInt16BigEndian(_out.AsSpan(at), (ushort)announced);
            at += 2;
        }
        else
        {
            _out[at++] = 0x80 | 127;
            BinaryPrimitives.WriteUInt64BigEndian(_out.AsSpan(at), (ulong)announced);
            at += 8;
        }

        key.CopyTo(_out, at);
        at += key.Length;
        int phase = 0;
        do
        {
            int count = Math.Min(payload.Length, _out.Length - at);
            for (int i = 0; i < count; i++)
            {
                _out[at + i] = (byte)(payload.Span[i] ^ key[phase++ & 3]);
            }

            payload = payload[count..];
            await WriteAsync(_out.AsMemory(0, at + count));
            at = 0;
        }
        while (!payload.IsEmpty);
    }

    /// <summary>The header of the next frame of a message; pongs before it are checked.</summary>
    private async ValueTask<(bool Last, long Length)> ReadDataHeaderAsync()
    {
        while (true)
        {
            (int first, long length) = await ReadHeaderAsync();
            if ((first & 0xF) != Pong)
            {
                Assert.InRange(first & 0xF, 0, Binary);
                return ((first & Fin) != 0, length);
            }

            // RFC 6455 §5.5.3: of pings that wait, only the latest must be answered.
            int number = BinaryPrimitives.ReadInt32LittleEndian(await ReadAsync((int)length));
            Assert.InRange(number, _lastPong + 1, Volatile.Read(ref _lastPing));
            _lastPong = number;
            _tally.AddPong();
        }
    }

    private async ValueTask<(int First, long Length)> ReadHeaderAsync()
    {
        int first = await ReadByteAsync();
        long length = await ReadByteAsync();
        if (length == 126)
        {
            length = BinaryPrimitives.ReadUInt16BigEndian(await ReadAsync(2));
        }
        else if (length == 127)
        {
            length = BinaryPrimitives.ReadInt64BigEndian(await ReadAsync(8));
        }

        Assert.InRange(length, 0, StressPeer.MaxSize);
        return (first, length);
    }

    private async ValueTask<byte[]> ReadAsync(int length)
    {
        byte[] bytes = new byte[length];
        for (int read = 0; read < length;)
        {
            int count = Math.Min(length - read, await AvailableAsync());
            _in.AsSpan(_start, count).CopyTo(bytes.AsSpan(read));
            _start += count;
            read += count;
        }

        return bytes;
    }

    private async ValueTask<byte> ReadByteAsync()
    {
        await AvailableAsync();
        return _in[_start++];
    }

    private async ValueTask<int> AvailableAsync()
    {
        if (_start == _end)
        {
            await RestAsync();
            _start = 0;
            _end = await Socket.ReceiveAsync(_in.AsMemory(0, IsSlow ? _receiving.Next(1, 4000) : _in.Length), _token);
            Assert.True(_end > 0, "The server ended the connection.");
        }

        return _end - _start;
    }

    private Task RestAsync() => IsSlow && _receiving.Next(8) == 0 ? Task.Delay(_receiving.Next(20), _token) : Task.CompletedTask;
}
