using System.Net;
using System.Net.Sockets;
using System.Text;
using Duologue.AspNetCore;
using Duologue.EventLoop.Buffers;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
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

    // A keep-alive ping is such a send: what it left behind would be with every connection at rest.
    [Theory]
    [MemberData(nameof(LoopHost.Backends), MemberType = typeof(LoopHost))]
    public async Task The_first_send_from_another_thread_leaves_nothing_with_the_connection(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(
            options => (options.Backend, options.Loops) = (backend, 1),
            app => app.MapDuologue<EchoHandler>("/echo"),
            builder => builder.Logging.SetMinimumLevel(LogLevel.Warning),
            _ => { });
        const int Warm = 20;
        const int Count = 60;
        List<RawPeer> peers = [];
        try
        {
            while (peers.Count < Count)
            {
                peers.Add(await RawPeer.OpenAsync(host.Url, "/echo"));
            }

            Connections connections = host.Services.GetRequiredService<Connections>();
            await Eventually.True(() => connections.Count == Count, () => $"{connections.Count} of {Count} connections are open.");
            Connection[] all = [.. connections];
            Task<long> measured = Task.Factory.StartNew(() => MeasureFirstSends(all, Warm, host.Loops.Loops[0].Blocks), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            long allocated = await measured.WaitAsync(2 * LoopHost.Patience, TestContext.Current.CancellationToken);

            Assert.True(allocated < 24L * (Count - Warm), $"{allocated} bytes were allocated by the first sends of {Count - Warm} connections.");
        }
        finally
        {
            peers.ForEach(peer => peer.Dispose());
        }
    }

    private static long MeasureFirstSends(Connection[] connections, int warm, BlockPool pool)
    {
        Assert.True(SpinWait.SpinUntil(() => pool.Rented == 0, LoopHost.Patience), "A block is still in use.");
        Block[] blocks = [.. Enumerable.Range(0, 8).Select(_ => pool.Rent(BlockPool.Small))];
        Array.ForEach(blocks, pool.Return);
        long allocated = 0;
        for (int i = 0; i < connections.Length; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            SendResult result = connections[i].Send("news"u8, MessageType.Binary);
            allocated += i < warm ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.NotEqual(SendResult.Dropped, result);
            Assert.True(SpinWait.SpinUntil(() => pool.Rented == 0, LoopHost.Patience), "What was sent does not leave.");
        }

        return allocated;
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
