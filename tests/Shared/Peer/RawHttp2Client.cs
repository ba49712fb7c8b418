using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Duologue.Tests.Shared;

/// <summary>A client of HTTP/2 in clear text that sends the frames that a test wants, and none else.</summary>
internal sealed class RawHttp2Client : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TcpClient _tcp;
    private readonly CancellationTokenSource _patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

    private RawHttp2Client(TcpClient tcp)
    {
        _tcp = tcp;
        _patience.CancelAfter(Patience);
    }

    private NetworkStream Stream => _tcp.GetStream();

    /// <summary>Connects, with settings that change nothing: RFC 9113 §3.4.</summary>
    public static async Task<RawHttp2Client> ConnectAsync(Uri url)
    {
        var client = new RawHttp2Client(new TcpClient());
        await client._tcp.ConnectAsync(url.Host, url.Port, client._patience.Token);
        await client.Stream.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray(), client._patience.Token);
        await client.SendAsync(Http2Frame.Settings, 0, 0, []);
        return client;
    }

    /// <summary>Opens a WebSocket (RFC 8441 §4), and waits for the answer.</summary>
    public async Task OpenWebSocketAsync(int streamId, string authority, string path)
    {
        await SendHeadersAsync(streamId, (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", path), (":authority", authority), ("sec-websocket-version", "13"));
        await ReadUntilAsync(Http2Frame.Headers);
    }

    /// <summary>Begins a request whose body is to come. In HPACK without its tables: each field a literal with a name of its own (RFC 7541 §6.2.2).</summary>
    public Task SendHeadersAsync(int streamId, params (string Name, string Value)[] fields)
    {
        var block = new List<byte>();
        foreach ((string name, string value) in fields)
        {
            block.Add(0);
            foreach (string part in new[] { name, value })
            {
                block.Add((byte)part.Length);
                block.AddRange(Encoding.ASCII.GetBytes(part));
            }
        }

        return SendAsync(Http2Frame.Headers, Http2Frame.EndHeaders, streamId, [.. block]);
    }

    public async Task SendAsync(byte type, byte flags, int streamId, byte[] payload)
    {
        byte[] frame = new byte[9 + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)payload.Length << 8);
        (frame[3], frame[4]) = (type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), streamId);
        payload.CopyTo(frame, 9);
        await Stream.WriteAsync(frame, _patience.Token);
    }

    /// <summary>The next frame of a type. A reset, or the end of the connection, which a test does not wait for fails it.</summary>
    public async Task<Http2Frame> ReadUntilAsync(byte type)
    {
        while (true)
        {
            byte[] head = new byte[9];
            await Stream.ReadExactlyAsync(head, _patience.Token);
            byte[] payload = new byte[BinaryPrimitives.ReadUInt32BigEndian(head) >> 8];
            await Stream.ReadExactlyAsync(payload, _patience.Token);
            if (head[3] == type)
            {
                return new Http2Frame(head[4], payload);
            }

            Assert.False(head[3] is Http2Frame.Reset or Http2Frame.GoAway, "The stream, or the connection, was reset.");
        }
    }

    public ValueTask DisposeAsync()
    {
        _patience.Dispose();
        _tcp.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>A frame that was read: RFC 9113 §4.1, and the types and flags of §6 that tests name.</summary>
internal sealed record Http2Frame(byte Flags, byte[] Payload)
{
    public const byte Data = 0;
    public const byte Headers = 1;
    public const byte Reset = 3;
    public const byte Settings = 4;
    public const byte GoAway = 7;

    public const byte EndStream = 1;
    public const byte EndHeaders = 4;

    public bool EndsStream => (Flags & EndStream) != 0;
}
