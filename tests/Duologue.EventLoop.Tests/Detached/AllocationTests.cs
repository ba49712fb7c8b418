using System.Net;
using System.Net.Sockets;
using System.Text;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Tests.Detached;

/// <summary>A message that a handler answers at once costs no memory, in either direction.</summary>
[Collection(Alone.Name)]
public class AllocationTests
{
    public static TheoryData<EventLoopBackend, int, int> Cases
    {
        get
        {
            var cases = new TheoryData<EventLoopBackend, int, int>();
            foreach (EventLoopBackend backend in LoopHost.Backends.Select(row => row.Data))
            {
                cases.Add(backend, 20, 1);
                cases.Add(backend, 20, 16);
                cases.Add(backend, 1024, 1);
                cases.Add(backend, 16 * 1024, 4);
                cases.Add(backend, 64 * 1024, 1);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task No_byte_is_allocated_per_message(EventLoopBackend backend, int size, int depth)
    {
        await using LoopHost host = await LoopHost.StartAsync(
            options => (options.Backend, options.Loops) = (backend, 1),
            app => app.MapDuologue<EchoHandler>("/echo"),
            builder => builder.Logging.SetMinimumLevel(LogLevel.Warning),
            _ => { });

        // Never used asynchronously: after that the platform's sockets allocate for what they do synchronously.
        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        byte[] frame = RawPeer.MaskedFrame(0x82, new byte[size]);
        byte[] batch = [.. Enumerable.Repeat(frame, depth).SelectMany(bytes => bytes)];
        int answer = depth * (frame.Length - 4);
        Task<long> measured = Task.Factory.StartNew(() => Measure(peer, host.Url.Port, batch, answer), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        long allocated = await measured.WaitAsync(LoopHost.Patience, TestContext.Current.CancellationToken);

        // A timer, the runtime's own: a little per thousand rounds is nobody's message.
        Assert.True(allocated < 1000L * depth, $"{allocated} bytes were allocated in 1,000 rounds of {depth} messages.");
    }

    private static long Measure(Socket peer, int port, byte[] batch, int answer)
    {
        peer.Connect(IPAddress.Loopback, port);
        peer.Send(Encoding.ASCII.GetBytes(RawPeer.Handshake("/echo")));
        byte[] end = new byte[1];
        for (int matched = 0; matched < 4;)
        {
            peer.Receive(end);
            matched = end[0] == "\r\n\r\n"u8[matched] ? matched + 1 : 0;
        }

        byte[] buffer = new byte[answer];
        Rounds(peer, batch, buffer, 2000);
        long least = long.MaxValue;
        for (int i = 0; i < 5; i++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Rounds(peer, batch, buffer, 1000);
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        return least;
    }

    private static void Rounds(Socket peer, byte[] batch, byte[] buffer, int count)
    {
        for (int i = 0; i < count; i++)
        {
            for (int sent = 0; sent < batch.Length;)
            {
                sent += peer.Send(batch, sent, batch.Length - sent, SocketFlags.None);
            }

            for (int received = 0; received < buffer.Length;)
            {
                received += peer.Receive(buffer, received, buffer.Length - received, SocketFlags.None);
            }
        }
    }
}
