using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Duologue.LoadGenerator;

/// <summary>
/// One connection: sends a frame, waits until its echo is whole, and again. It has no protocol engine, so that the engines
/// under test are on the server's side only: the frame is built once, and the echo's bytes are counted.
/// </summary>
internal sealed class EchoConversation : IDisposable
{
    private const string Key = "dGhlIHNhbXBsZSBub25jZQ==";
    private const string Accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; // RFC 6455 §1.3

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _frame = [];
    private readonly byte[] _echo = [];
    private readonly byte[] _received;

    // Null unless compression is measured.
    private readonly CompressedMessages? _compressed;

    private EchoConversation(int payload, bool compressed)
    {
        if (compressed)
        {
            _compressed = CompressedMessages.For(payload);
            _received = new byte[payload + CompressedMessages.Slack];
            return;
        }

        byte[] data = new byte[payload];
        new Random(payload).NextBytes(data);
        _frame = Frame(data, [0x37, 0xFA, 0x21, 0x3D]);
        _echo = Frame(data, []);
        _received = new byte[_echo.Length];
    }

    /// <summary>Messages echoed so far. Read from another thread.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>Round trips, in ticks of <see cref="Stopwatch"/>, while <see cref="Measuring"/>.</summary>
    public List<long> RoundTrips { get; } = [];

    public volatile bool Measuring;

    private long _count;

    public static async Task<EchoConversation> OpenAsync(LoadOptions options)
    {
        EchoConversation conversation = new(options.Payload, options.Deflate is not null);
        await conversation._socket.ConnectAsync(IPAddress.Parse(options.Host), options.Port);
        await conversation.HandshakeAsync(options);
        return conversation;
    }

    /// <summary>Runs until <see cref="Stop"/> has been called.</summary>
    public async Task RunAsync()
    {
        try
        {
            while (!_stopped)
            {
                long start = Stopwatch.GetTimestamp();
                await RoundTripAsync();
                Volatile.Write(ref _count, _count + 1);
                if (Measuring)
                {
                    RoundTrips.Add(Stopwatch.GetTimestamp() - start);
                }
            }
        }
        catch (Exception exception) when (_stopped && exception is SocketException or ObjectDisposedException)
        {
            // Stopped in the middle of a round trip.
        }
    }

    private volatile bool _stopped;

    public void Stop()
    {
        _stopped = true;
        _socket.Dispose();
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>One round trip; for who runs no load.</summary>
    public async Task RoundTripAsync()
    {
        if (_compressed is not null)
        {
            await CompressedRoundTripAsync(_compressed);
            return;
        }

        for (int sent = 0; sent < _frame.Length;)
        {
            sent += await _socket.SendAsync(_frame.AsMemory(sent));
        }

        for (int received = 0; received < _received.Length;)
        {
            int count = await _socket.ReceiveAsync(_received.AsMemory(received));
            received += count != 0 ? count : throw new InvalidOperationException("The server ended a connection.");
        }

        // Every 1,024th echo is compared in full; the others by their length.
        if ((_count & 1023) == 0 && !_received.AsSpan().SequenceEqual(_echo))
        {
            throw new InvalidOperationException("The echo differs from what was sent; a server that fragments cannot be measured here.");
        }
    }

    private async Task CompressedRoundTripAsync(CompressedMessages messages)
    {
        byte[] frame = messages.Frame(_next++);
        for (int sent = 0; sent < frame.Length;)
        {
            sent += await _socket.SendAsync(frame.AsMemory(sent));
        }

        int received = 0;
        int expected;
        while ((expected = CompressedMessages.FrameLength(_received.AsSpan(0, received))) == 0 || received < expected)
        {
            int count = await _socket.ReceiveAsync(_received.AsMemory(received));
            received += count != 0 ? count : throw new InvalidOperationException("The server ended a connection.");
        }

        // Each must be one compressed text frame.
        if (received != expected || _received[0] != CompressedMessages.FirstByte)
        {
            throw new InvalidOperationException("The echo is not one compressed frame; a server that fragments cannot be measured here.");
        }
    }

    private int _next;

    private async Task HandshakeAsync(LoadOptions options)
    {
        await _socket.SendAsync(Encoding.ASCII.GetBytes(
            $"GET {options.Path} HTTP/1.1\r\nHost: {options.Host}:{options.Port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + $"Sec-WebSocket-Key: {Key}\r\nSec-WebSocket-Version: 13\r\n"
            + (options.Deflate is null ? "\r\n" : $"Sec-WebSocket-Extensions: {options.Deflate}\r\n\r\n")));
        byte[] head = new byte[8192];
        int length = 0;
        while (!head.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
        {
            int count = await _socket.ReceiveAsync(head.AsMemory(length));
            length += count != 0 ? count : throw new InvalidOperationException("The server ended the connection instead of answering the handshake.");
        }

        string answer = Encoding.ASCII.GetString(head, 0, length);
        if (!answer.StartsWith("HTTP/1.1 101", StringComparison.Ordinal) || !answer.Contains(Accept, StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"The server refused the handshake: {answer.Split('\r')[0]}");
        }

        if (options.Deflate is not null && !answer.Contains("permessage-deflate", StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"The server declined \"{options.Deflate}\".");
        }
    }

    /// <summary>A binary message in one frame (RFC 6455 §5.2), masked if there is a key.</summary>
    internal static byte[] Frame(byte[] payload, ReadOnlySpan<byte> key)
    {
        Span<byte> header = stackalloc byte[14];
        header[0] = 0x82;
        int size = 2;
        if (payload.Length < 126)
        {
            header[1] = (byte)payload.Length;
        }
        else if (payload.Length <= ushort.MaxValue)
        {
            header[1] = 126;
            BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)payload.Length);
            size = 4;
        }
        else
        {
            header[1] = 127;
            BinaryPrimitives.WriteUInt64BigEndian(header[2..], (ulong)payload.Length);
            size = 10;
        }

        byte[] body = [.. payload];
        if (!key.IsEmpty)
        {
            header[1] |= 0x80;
            key.CopyTo(header[size..]);
            size += key.Length;
            for (int i = 0; i < body.Length; i++)
            {
                body[i] ^= key[i % key.Length];
            }
        }

        return [.. header[..size], .. body];
    }
}
