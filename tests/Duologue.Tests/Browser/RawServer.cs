using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Duologue.Tests.Browser;

/// <summary>A WebSocket server written anew for these tests, with nothing of the library in it, so that it can also misbehave.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentBag<Task> _conversations = [];
    private readonly TaskCompletionSource _go = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _accepting;
    private int _accepted;
    private int _disposed;

    private RawServer(Func<RawPeer, Task> conversation)
    {
        _listener.Start();
        _accepting = AcceptAsync(conversation);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public string Url => $"ws://localhost:{Port}/";

    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>Each accepted TCP connection is given to the conversation, after <see cref="Go"/>; it is ended when the conversation returns.</summary>
    public static RawServer Start(Func<RawPeer, Task> conversation) => new(conversation);

    /// <summary>The usual case: the handshake is done, and the connection stays until the client ends it.</summary>
    public static RawServer StartAccepting(Func<RawPeer, Task> conversation) => new(async peer =>
    {
        await peer.AcceptAsync();
        await conversation(peer);
        await peer.FinishAsync();
    });

    /// <summary>Sends each message back, and answers Close.</summary>
    public static RawServer StartEcho() => StartAccepting(async peer =>
    {
        while (await peer.ReadMessageAsync() is { Opcode: not 8 } message)
        {
            await peer.SendAsync(message.Opcode, message.Payload);
        }
    });

    /// <summary>
    /// Lets the conversations begin, once all listeners are there: on the thread pool a client waits for them only for a moment, and the thread
    /// that adds them can be held up for longer.
    /// </summary>
    public void Go() => _go.TrySetResult();

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_conversations);
        _stop.Dispose();
    }

    private async Task AcceptAsync(Func<RawPeer, Task> conversation)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
                Interlocked.Increment(ref _accepted);
                _conversations.Add(RunAsync(client, conversation));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task RunAsync(TcpClient client, Func<RawPeer, Task> conversation)
    {
        using (client)
        {
            client.NoDelay = true;
            try
            {
                await _go.Task.WaitAsync(_stop.Token);
                await conversation(new RawPeer(client, _stop.Token));
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or EndOfStreamException)
            {
                // The client went, or the test is over: the test sees that on its own side.
            }
        }
    }
}

internal sealed record RawFrame(bool Fin, byte Opcode, byte[] Payload);

/// <summary>The server's side of one connection.</summary>
internal sealed class RawPeer(TcpClient client, CancellationToken stop)
{
    private readonly NetworkStream _stream = client.GetStream();

    public string Request { get; private set; } = "";

    public CancellationToken Stop => stop;

    /// <summary>Headers of frames read so far, for counting.</summary>
    public int FramesRead { get; private set; }

    public string? Header(string name) => Request.Split("\r\n")
        .Where(line => line.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase))
        .Select(line => line[(name.Length + 1)..].Trim())
        .FirstOrDefault();

    public async Task ReadRequestAsync()
    {
        var head = new List<byte>();
        byte[] one = new byte[1];
        while (!(head.Count >= 4 && head[^4..] is [13, 10, 13, 10]))
        {
            await _stream.ReadExactlyAsync(one, stop);
            head.Add(one[0]);
        }

        Request = Encoding.Latin1.GetString([.. head]);
    }

    public string AcceptValue()
    {
        byte[] text = Encoding.ASCII.GetBytes(Header("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
#pragma warning disable CA5350 // RFC 6455 §4.2.2 has it so.
        return Convert.ToBase64String(SHA1.HashData(text));
#pragma warning restore CA5350
    }

    public async Task AcceptAsync(string extraHeaders = "", byte[]? together = null)
    {
        await ReadRequestAsync();
        await WriteAsync([.. Answer(extraHeaders), .. together ?? []]);
    }

    public byte[] Answer(string extraHeaders) => Encoding.Latin1.GetBytes(
        $"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {AcceptValue()}\r\n{extraHeaders}\r\n");

    public Task WriteAsync(byte[] bytes) => _stream.WriteAsync(bytes, stop).AsTask();

    public Task WriteAsync(string text) => WriteAsync(Encoding.Latin1.GetBytes(text));

    public static byte[] Frame(int opcode, byte[] payload, bool fin = true)
    {
        byte first = (byte)((fin ? 0x80 : 0) | opcode);
        byte[] length = payload.Length switch
        {
            < 126 => [(byte)payload.Length],
            <= ushort.MaxValue => [126, (byte)(payload.Length >> 8), (byte)payload.Length],
            _ => [127, 0, 0, 0, 0, .. BitConverter.GetBytes(BinaryPrimitives.ReverseEndianness(payload.Length))],
        };
        return [first, .. length, .. payload];
    }

    public static byte[] CloseFrame(int code, string reason = "") =>
        Frame(8, [(byte)(code >> 8), (byte)code, .. Encoding.UTF8.GetBytes(reason)]);

    public Task SendAsync(int opcode, byte[] payload) => WriteAsync(Frame(opcode, payload));

    public Task SendTextAsync(string text) => SendAsync(1, Encoding.UTF8.GetBytes(text));

    public async Task<RawFrame> ReadFrameAsync()
    {
        (bool fin, byte opcode, long length, byte[] mask) = await ReadHeaderAsync();
        byte[] payload = new byte[length];
        await _stream.ReadExactlyAsync(payload, stop);
        for (int i = 0; i < payload.Length; i++)
        {
            payload[i] ^= mask[i & 3];
        }

        return new RawFrame(fin, opcode, payload);
    }

    /// <summary>Reads a frame and throws its payload away. Returns the payload's length.</summary>
    public async Task<(bool Fin, byte Opcode, long Length)> SkipFrameAsync(byte[] buffer)
    {
        (bool fin, byte opcode, long length, _) = await ReadHeaderAsync();
        for (long rest = length; rest > 0;)
        {
            int count = await _stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, rest)), stop);
            if (count == 0)
            {
                throw new EndOfStreamException();
            }

            rest -= count;
        }

        return (fin, opcode, length);
    }

    /// <summary>A whole message or a Close frame, which it also answers; pings and pongs are passed over.</summary>
    public async Task<RawFrame> ReadMessageAsync()
    {
        byte opcode = 0;
        var payload = new MemoryStream();
        while (true)
        {
            RawFrame frame = await ReadFrameAsync();
            if (frame.Opcode == 8)
            {
                await SendAsync(8, frame.Payload);
                return frame;
            }

            if (frame.Opcode > 8)
            {
                continue;
            }

            opcode = frame.Opcode == 0 ? opcode : frame.Opcode;
            payload.Write(frame.Payload);
            if (frame.Fin)
            {
                return new RawFrame(true, opcode, payload.ToArray());
            }
        }
    }

    /// <summary>Reads until the client has ended its direction, then ends.</summary>
    public async Task FinishAsync()
    {
        byte[] buffer = new byte[4096];
        while (await _stream.ReadAsync(buffer, stop) > 0)
        {
        }
    }

    /// <summary>Ends the server's direction, as a server does after the closing handshake (RFC 6455 §7.1.1).</summary>
    public void EndWriting() => client.Client.Shutdown(SocketShutdown.Send);

    /// <summary>Ends the TCP connection with a reset.</summary>
    public void Reset() => client.Client.Close(0);

    private async Task<(bool Fin, byte Opcode, long Length, byte[] Mask)> ReadHeaderAsync()
    {
        byte[] head = new byte[8];
        await _stream.ReadExactlyAsync(head.AsMemory(0, 2), stop);
        Assert.True((head[1] & 0x80) != 0, "A client masks its frames.");
        bool fin = (head[0] & 0x80) != 0;
        byte opcode = (byte)(head[0] & 0x0F);
        long length = head[1] & 0x7F;
        if (length == 126)
        {
            await _stream.ReadExactlyAsync(head.AsMemory(0, 2), stop);
            length = BinaryPrimitives.ReadUInt16BigEndian(head);
        }
        else if (length == 127)
        {
            await _stream.ReadExactlyAsync(head.AsMemory(0, 8), stop);
            length = BinaryPrimitives.ReadInt64BigEndian(head);
        }

        byte[] mask = new byte[4];
        await _stream.ReadExactlyAsync(mask, stop);
        FramesRead++;
        return (fin, opcode, length, mask);
    }
}
