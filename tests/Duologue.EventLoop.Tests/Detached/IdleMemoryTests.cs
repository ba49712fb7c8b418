using System.Collections.Concurrent;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using Duologue.AspNetCore;
using Duologue.EventLoop.Detached;
using Duologue.EventLoop.Native;
using Duologue.EventLoop.Tests.Support;
using Duologue.Peer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Tests.Detached;

/// <summary>What stays of a detached connection at rest, and what does not.</summary>
[Collection(Alone.Name)]
public partial class IdleMemoryTests
{
    private const int Few = 200;
    private const int Steps = 4;

    // Whole batches, in which the objects are made: else a step would find some that the one before has made.
    private const int Step = 8 * Stock<EventLoopCarrier>.Batch;
    private const int Many = Few + (Steps * Step);

    [Theory]
    [MemberData(nameof(LoopHost.Backends), MemberType = typeof(LoopHost))]
    public async Task An_idle_connection_of_a_handler_class_keeps_little(EventLoopBackend backend)
    {
        await using LoopHost host = await StartAsync(backend, app => app.MapDuologue<EchoHandler>("/echo").WithOptions(Silent));
        double bytes = await MeasureAsync(host);

        TestContext.Current.TestOutputHelper?.WriteLine($"{bytes:F0} bytes of live heap per idle connection on {backend}.");
        Assert.True(bytes < 580, $"{bytes:F0} bytes of live heap per idle connection.");
    }

    [Theory]
    [MemberData(nameof(LoopHost.Backends), MemberType = typeof(LoopHost))]
    public async Task Nothing_of_Kestrel_outlives_the_handshake(EventLoopBackend backend)
    {
        var kept = new ConcurrentBag<WeakReference>();
        await using LoopHost host = await StartAsync(backend, app =>
        {
            app.Use((context, next) =>
            {
                kept.Add(new WeakReference(context));
                kept.Add(new WeakReference(context.Features.Get<IConnectionTransportFeature>()));
                kept.Add(new WeakReference(context.Features.Get<IConnectionItemsFeature>()));
                return next(context);
            });
            app.MapDuologue<EchoHandler>("/echo").WithOptions(Silent);
        });
        int[] peers = new int[100];
        try
        {
            await RunApart(() => Open(peers, 0, peers.Length, host.Url.Port));

            // Kestrel, the thread pool and stacks remember the last one or other.
            int most = kept.Count / 4;
            await Eventually.True(() => Alive(kept) <= most, () => $"{Alive(kept)} of {kept.Count} objects of Kestrel's are still reachable.");
            Assert.Equal(peers.Length, host.SocketCount);
        }
        finally
        {
            Close(peers);
        }
    }

    private static Task<LoopHost> StartAsync(EventLoopBackend backend, Action<WebApplication> map) => LoopHost.StartAsync(
        options => (options.Backend, options.Loops) = (backend, 1),
        map,
        builder => builder.Logging.SetMinimumLevel(LogLevel.Warning),
        _ => { });

    // The peers answer no pings, however long it takes.
    private static void Silent(DuologueEndpointOptions options) => options.KeepAliveInterval = Timeout.InfiniteTimeSpan;

    // The least of some steps: what a connection keeps is in each of them, what a table or a pool grows by is not. On a busy machine requests
    // overlap, and Kestrel's pool keeps the blocks that they needed at once.
    private static async Task<double> MeasureAsync(LoopHost host)
    {
        int[] peers = new int[Many];
        try
        {
            await RunApart(() => Open(peers, 0, Few, host.Url.Port));
            long before = await LeastAsync();
            double least = double.MaxValue;
            for (int open = Few; open < Many; open += Step)
            {
                int from = open;
                await RunApart(() => Open(peers, from, from + Step, host.Url.Port));
                long after = await LeastAsync();
                least = Math.Min(least, (after - before) / (double)Step);
                before = after;
            }

            Assert.Equal(Many, host.SocketCount);
            return least;
        }
        finally
        {
            Close(peers);
        }
    }

    private static int Alive(ConcurrentBag<WeakReference> references)
    {
        Collect();
        return references.Count(reference => reference.IsAlive);
    }

    // Requests end a moment after their answers, on other threads: the least of some looks counts.
    private static async Task<long> LeastAsync()
    {
        long least = long.MaxValue;
        for (int still = 0; still < 10; still++)
        {
            Collect();
            long now = GC.GetTotalMemory(forceFullCollection: false);
            if (now < least - 10_000)
            {
                still = 0;
            }

            least = Math.Min(least, now);
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        return least;
    }

    private static void Collect()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
    }

    private static Task RunApart(Action action) =>
        Task.Factory.StartNew(action, TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)
            .WaitAsync(4 * LoopHost.Patience, TestContext.Current.CancellationToken);

    // Peers are bare descriptors: the platform's sockets would weigh more than what is measured.
    private static unsafe void Open(int[] peers, int from, int to, int port)
    {
        byte[] request = Encoding.ASCII.GetBytes(RawPeer.Handshake("/echo"));
        byte[] frame = RawPeer.MaskedFrame(0x82, "rest"u8);
        byte[] address = new byte[SocketAddresses.MaxSize];
        int length = SocketAddresses.Write(new IPEndPoint(IPAddress.Loopback, port), address);
        byte[] buffer = new byte[4096];
        for (int i = from; i < to; i++)
        {
            int peer = Libc.Socket(Constants.AddressFamilyInet, Constants.SocketStream | Constants.SocketCloseOnExec, 0);
            Assert.True(peer >= 0, "No descriptor for a peer.");
            peers[i] = peer;
            fixed (byte* start = address)
            {
                Assert.Equal(0, Connect(peer, start, (uint)length));
            }

            Send(peer, request);
            int received = 0;
            do
            {
                received += Receive(peer, buffer, received);
            }
            while (!buffer.AsSpan(0, received).EndsWith("\r\n\r\n"u8));
            Send(peer, frame);
            for (received = 0; received < frame.Length - 4;)
            {
                received += Receive(peer, buffer, received);
            }
        }
    }

    private static void Close(int[] peers)
    {
        foreach (int peer in peers)
        {
            if (peer > 0)
            {
                _ = Libc.Close(peer);
            }
        }
    }

    private static unsafe void Send(int peer, byte[] bytes)
    {
        fixed (byte* start = bytes)
        {
            Assert.Equal(bytes.Length, (int)Libc.Send(peer, start, (nuint)bytes.Length, Constants.MessageNoSignal));
        }
    }

    private static unsafe int Receive(int peer, byte[] buffer, int at)
    {
        fixed (byte* start = buffer)
        {
            nint count = Libc.Receive(peer, start + at, (nuint)(buffer.Length - at), 0);
            Assert.True(count > 0, "The server ended a connection.");
            return (int)count;
        }
    }

    [LibraryImport("libc", EntryPoint = "connect")]
    private static unsafe partial int Connect(int descriptor, byte* address, uint length);
}
