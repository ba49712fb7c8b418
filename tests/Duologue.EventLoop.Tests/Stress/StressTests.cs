using System.Diagnostics.Tracing;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Duologue.AspNetCore;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Tests.Stress;

/// <summary>
/// Random sizes, cuts, resets, half-closes and slow readers on many connections at once, echo and fan-out; every byte is checked, and at the end nothing
/// is left. Seconds by default; <c>tests/Duologue.EventLoop.Tests/stress</c> makes it longer and wider.
/// </summary>
[Collection(Alone.Name)]
public class StressTests
{
    // What pools keep at hand differs from time to time; what is lost per message or connection would be far more.
    private const long MemorySlack = 128 * 1024 * 1024;

    private static readonly int Seconds = Setting("DUOLOGUE_STRESS_SECONDS", 5);
    private static readonly int Peers = Setting("DUOLOGUE_STRESS_PEERS", 150);
    private static readonly int Seed = Setting("DUOLOGUE_STRESS_SEED", 1);

    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Every_byte_arrives_and_nothing_is_left(EventLoopBackend backend)
    {
        await WarmUpSocketsAsync();
        Leftovers process = Leftovers.Now();
        using var rented = new RentedBuffers();
        Tally tally;
        await using (LoopHost host = await StartAsync(backend))
        {
            // First everything once, so that what is made at first use is there.
            _ = await RunAsync(host, Peers, TimeSpan.FromSeconds(Math.Min(Seconds / 2.0, 10)), Seed);
            await AssertAtRestAsync(host);
            Leftovers before = Leftovers.Now();
            rented.Enable();
            long memory = GC.GetTotalMemory(forceFullCollection: true);

            tally = await RunAsync(host, Peers, TimeSpan.FromSeconds(Seconds), Seed + 1);
            await AssertAtRestAsync(host);
            await Eventually.True(() => Leftovers.Now().Sockets <= before.Sockets, () => $"Left: {Leftovers.Now()}; at the start there were {before}.");
            await Eventually.True(() => rented.Count <= 0, () => $"{rented.Count} rented buffers were not returned.");
            Assert.NotEqual(0, rented.Total);
            long growth = 0;
            await Eventually.True(() => (growth = GC.GetTotalMemory(forceFullCollection: true) - memory) < MemorySlack, () => $"{growth} bytes more are alive than before.");
            TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{BackendName(backend)}: {tally}; live memory {growth / 1024.0 / 1024:+0.0;-0.0} MiB."));
            Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Level >= LogLevel.Error);
        }

        Assert.True(tally.Conversations >= Peers && tally.Messages > 0 && tally.News > 0, $"That was little: {tally}.");
        await Eventually.True(() => Leftovers.Now().Loops <= process.Loops, () => $"Left: {Leftovers.Now()}; before the server there were {process}.");
    }

    /// <summary>The platform's sockets, which the peers use, open an epoll of their own at first use.</summary>
    private static async Task WarmUpSocketsAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, TestContext.Current.CancellationToken);
        using Socket accepted = await listener.AcceptSocketAsync(TestContext.Current.CancellationToken);
    }

    private static string BackendName(EventLoopBackend backend) => backend == EventLoopBackend.IoUring ? "io_uring" : "epoll";

    private static Task<LoopHost> StartAsync(EventLoopBackend backend) => LoopHost.StartAsync(
        backend,
        app =>
        {
            app.MapDuologue<PatientEchoHandler>("/echo").WithOptions(Limit);
            app.MapDuologue<PatientEchoHandler>("/pool").WithOptions(options =>
            {
                Limit(options);
                options.HandlerScheduling = HandlerScheduling.ThreadPool;
            });
            app.MapDuologue<News>(StressNews.Path).WithOptions(options =>
            {
                Limit(options);

                // A slow subscriber is to get everything, late.
                options.SendQueueLimit = 256 * 1024 * 1024;
            });
        },
        builder => builder.Logging.SetMinimumLevel(LogLevel.Warning));

    private static void Limit(DuologueEndpointOptions options)
    {
        options.MaxMessageSize = StressPeer.MaxSize;
        options.MaxControlFramesPerSecond = 0;
        options.MaxSmallFragmentsPerSecond = 0;
        options.KeepAliveInterval = Timeout.InfiniteTimeSpan;

        // Nobody is to be given up because the machine is busy.
        options.CloseTimeout = TimeSpan.FromMinutes(2);
        options.SendTimeout = Timeout.InfiniteTimeSpan;
        options.MessageTimeout = Timeout.InfiniteTimeSpan;
    }

    private static async Task<Tally> RunAsync(LoopHost host, int peers, TimeSpan time, int seed)
    {
        using var enough = new CancellationTokenSource(time);
        using var over = new CancellationTokenSource();
        var tally = new Tally();
        var news = new StressNews(host.Services.GetRequiredService<Topics>(), seed);
        Task publishing = Task.Run(() => news.PublishAsync(enough.Token, over.Token), TestContext.Current.CancellationToken);
        try
        {
            await Task.WhenAll(Enumerable.Range(0, peers).Select(i => Task.Run(() => new StressPeer(host.Url, (seed * 1_000_003) + i, tally).RunAsync(enough.Token), TestContext.Current.CancellationToken)));
        }
        finally
        {
            await over.CancelAsync();
            await publishing;
        }

        return tally;
    }

    private static async Task AssertAtRestAsync(LoopHost host)
    {
        Connections connections = host.Services.GetRequiredService<Connections>();
        Topics topics = host.Services.GetRequiredService<Topics>();
        await Eventually.True(
            () => host.SocketCount == 0 && connections.Count == 0 && host.RentedBlocks == 0 && topics.Count == 0,
            () => $"Left: {host.SocketCount} sockets, {connections.Count} connections, {host.RentedBlocks} blocks, {topics.Count} topics.");
    }

    private static int Setting(string name, int fallback) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : fallback;

    private sealed class News : MessageHandler
    {
        public override ValueTask OnOpenAsync(Connection connection)
        {
            connection.Subscribe(StressNews.Topic);
            return ValueTask.CompletedTask;
        }

        public override ValueTask OnMessageAsync(Connection connection, Message message) => ValueTask.CompletedTask;
    }

    /// <summary>Counts what is rented from the shared pool of arrays and not returned, from <see cref="Enable"/> on.</summary>
    private sealed class RentedBuffers : EventListener
    {
        private const int Rented = 1;
        private const int Returned = 3;
        private EventSource? _source;
        private long _count;

        public long Count => Interlocked.Read(ref _count);

        /// <summary>How often something was rented at all.</summary>
        public long Total { get; private set; }

        public void Enable()
        {
            // The source is there after the first rent.
            System.Buffers.ArrayPool<byte>.Shared.Return(System.Buffers.ArrayPool<byte>.Shared.Rent(1));
            EnableEvents(_source!, EventLevel.Verbose);
        }

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name == "System.Buffers.ArrayPoolEventSource")
            {
                _source = eventSource;
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            if (eventData.EventId is Rented or Returned)
            {
                Total++;
                Interlocked.Add(ref _count, eventData.EventId == Rented ? 1 : -1);
            }
        }
    }

    /// <summary>What the process has open that loops and connections open; the runtime opens files as it likes.</summary>
    private readonly record struct Leftovers(int Sockets, int Loops)
    {
        public static Leftovers Now()
        {
            string?[] targets = [.. new DirectoryInfo("/proc/self/fd").GetFiles().Select(file => file.LinkTarget)];
            return new(Count(targets, "socket:"), Count(targets, "anon_inode:[eventpoll]") + Count(targets, "anon_inode:[io_uring]") + Count(targets, "anon_inode:[eventfd]"));
        }

        private static int Count(string?[] targets, string kind) => targets.Count(target => target?.StartsWith(kind, StringComparison.Ordinal) == true);
    }
}
