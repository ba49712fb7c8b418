using System.Diagnostics.Metrics;
using System.Net.Sockets;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Protocol;
using Microsoft.AspNetCore.Builder;

namespace Duologue.AspNetCore.Tests.Conversation;

/// <summary>Counts what the whole process allocates, so nothing else may run meanwhile.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
[Collection(nameof(AllocationTests))]
public class AllocationTests
{
    private const int Messages = 5_000;

    [Theory]
    [InlineData(20, false)]
    [InlineData(1_000, false)]
    [InlineData(16 * 1024, false)]
    [InlineData(20, true)]
    public async Task An_echo_by_a_handler_class_allocates_nothing_once_warm(int size, bool measured)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>("/"));
        long measurements = 0;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (measured && instrument.Meter.Name == ServerMetrics.MeterName)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => Interlocked.Increment(ref measurements));
        listener.Start();
        using Socket socket = Connect(host.Url);
        byte[] request = FrameOf(size);
        byte[] answer = new byte[FrameWriter.SizeOf(size, Role.Server)];
        long best = long.MaxValue;

        // The least of several rounds: Kestrel's clock and the test's own host allocate now and then.
        for (int round = 0; round < 8 && best > Messages / 10; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Echo(socket, request, answer);
            best = Math.Min(best, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        // Less than a tenth of a byte per message is nothing per message.
        Assert.True(best <= Messages / 10, $"{(double)best / Messages} bytes per message of {size}.");
        Assert.Equal(measured, Interlocked.Read(ref measurements) >= 4 * Messages);
    }

    private static void Echo(Socket socket, byte[] request, byte[] answer)
    {
        for (int i = 0; i < Messages; i++)
        {
            socket.Send(request);
            for (int received = 0; received < answer.Length;)
            {
                received += socket.Receive(answer.AsSpan(received));
            }
        }
    }

    // Synchronously from the first call: a socket that was ever used asynchronously allocates whenever a call has to wait.
    private static Socket Connect(Uri url)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Connect(url.Host, url.Port);
        socket.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"u8);
        var head = new List<byte>();
        byte[] one = new byte[1];
        while (!System.Runtime.InteropServices.CollectionsMarshal.AsSpan(head).EndsWith("\r\n\r\n"u8))
        {
            Assert.Equal(1, socket.Receive(one));
            head.Add(one[0]);
        }

        return socket;
    }

    private static byte[] FrameOf(int size)
    {
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        FrameWriter.Write(output, Opcode.Binary, true, new byte[size], Role.Client);
        return output.WrittenSpan.ToArray();
    }
}
