using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Duologue.AspNetCore.Tests.Integration;

/// <summary>
/// An HTTP/2 client that ends its direction of the stream right behind what it sent (RFC 8441 §5: END_STREAM is its FIN). By hand: .NET's client cannot.
/// </summary>
public class Http2HalfCloseTests
{
    private const byte Data = 0;
    private const byte Headers = 1;
    private const byte Settings = 4;
    private const byte EndStream = 1;
    private const byte EndHeaders = 4;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(true, "late", 1000)]
    [InlineData(false, "late", null)]
    public async Task END_STREAM_right_behind_the_last_frame_does_not_cost_the_late_answer(bool closes, string text, int? code)
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", async connection =>
            {
                await foreach (Message message in connection.ReadAllAsync())
                {
                    begun.TrySetResult();
                    await gate.Task;
                    connection.Send(message.Data.Span, message.Type);
                }
            }).WithOptions(options => options.CloseTimeout = TimeSpan.FromMinutes(2)),
            _ => { },
            builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(listen => listen.Protocols = HttpProtocols.Http2)));
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, host.Url.Port, patience.Token);
        await using var stream = new NetworkStream(socket);

        await stream.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray(), patience.Token);
        await WriteFrameAsync(stream, Settings, 0, 0, [], patience.Token);
        await WriteFrameAsync(stream, Headers, EndHeaders, 1, Connect(host.Url.Authority), patience.Token);
        await ReadUntilAsync(stream, Headers, patience.Token);
        byte[] close = closes ? MaskedFrame(0x88, [0x03, 0xE8]) : [];
        await WriteFrameAsync(stream, Data, EndStream, 1, [.. MaskedFrame(0x81, Encoding.UTF8.GetBytes(text)), .. close], patience.Token);
        await begun.Task.WaitAsync(patience.Token);
        gate.SetResult();

        var answer = new List<byte>();
        for (bool ended = false; !ended;)
        {
            (byte flags, byte[] payload) = await ReadUntilAsync(stream, Data, patience.Token);
            answer.AddRange(payload);
            ended = (flags & EndStream) != 0;
        }

        byte[] expected = [0x81, (byte)text.Length, .. Encoding.UTF8.GetBytes(text), .. code is { } c ? (byte[])[0x88, 2, (byte)(c >> 8), (byte)c] : []];
        Assert.Equal(expected, answer);
    }

    /// <summary>RFC 8441 §4, in HPACK without its tables: each field a literal with a name of its own (RFC 7541 §6.2.2).</summary>
    private static byte[] Connect(string authority)
    {
        var block = new List<byte>();
        foreach ((string name, string value) in new[] { (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/"), (":authority", authority), ("sec-websocket-version", "13") })
        {
            block.Add(0);
            foreach (string part in new[] { name, value })
            {
                block.Add((byte)part.Length);
                block.AddRange(Encoding.ASCII.GetBytes(part));
            }
        }

        return [.. block];
    }

    /// <summary>A client's WebSocket frame, with a mask of zeros: still a mask.</summary>
    private static byte[] MaskedFrame(byte first, byte[] payload) => [first, (byte)(0x80 | payload.Length), 0, 0, 0, 0, .. payload];

    private static async Task WriteFrameAsync(NetworkStream stream, byte type, byte flags, int streamId, byte[] payload, CancellationToken cancellationToken)
    {
        byte[] frame = new byte[9 + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)payload.Length << 8);
        (frame[3], frame[4]) = (type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), streamId);
        payload.CopyTo(frame, 9);
        await stream.WriteAsync(frame, cancellationToken);
    }

    /// <summary>The next frame of a type; the others are about the connection.</summary>
    private static async Task<(byte Flags, byte[] Payload)> ReadUntilAsync(NetworkStream stream, byte type, CancellationToken cancellationToken)
    {
        while (true)
        {
            byte[] head = new byte[9];
            await stream.ReadExactlyAsync(head, cancellationToken);
            byte[] payload = new byte[BinaryPrimitives.ReadUInt32BigEndian(head) >> 8];
            await stream.ReadExactlyAsync(payload, cancellationToken);
            Assert.False(head[3] is 3 or 7, "The stream, or the connection, was reset.");
            if (head[3] == type)
            {
                return (head[4], payload);
            }
        }
    }
}
