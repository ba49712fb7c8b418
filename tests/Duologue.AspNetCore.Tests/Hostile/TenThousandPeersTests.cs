using System.Text;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Peer;
using Duologue.Tests.Shared;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore.Tests.Hostile;

/// <summary>Counts what the whole process holds, so nothing else may run meanwhile.</summary>
[CollectionDefinition(nameof(TenThousandPeersTests), DisableParallelization = true)]
[Collection(nameof(TenThousandPeersTests))]
public class TenThousandPeersTests
{
    private const int Peers = 10_000;
    private const int AtOnce = 50;
    private const int CrowdSize = 4;

    // A connection that is kept costs a kilobyte and more, so that a leak of one in five shows. Caches may still grow a little.
    private const long MemoryPerPeer = 200;

    // The runtime opens some of its own, and what earlier tests left may close: of ten thousand, one in a thousand is far less than any kind of peer.
    private const int HandlesAllowed = Peers / 1000;

    private static readonly Func<Uri, string, Task>[] Attacks =
    [
        NoHttpAsync,
        GarbageKeyAsync,
        WrongVersionAsync,
        (url, path) => ViolateAsync(url, path, HostilePeer.Frame(0x82, [], 1UL << 40), HostilePeer.Close(1009, "The message exceeds 65536 bytes (MaxMessageSize).")),
        (url, path) => ViolateAsync(url, path, HostilePeer.Frame(0x81, [0x61, 0xC3, 0x28], 1000), HostilePeer.Close(1007, "The text is not valid UTF-8.")),
        DropMidFrameAsync,
        ResetMidFrameAsync,
        NeverAnswerCloseAsync,
        ThrowAsync,
        ResetBehindQueueAsync,
    ];

    [Fact]
    public async Task Ten_thousand_hostile_peers_cost_nobody_a_message_and_leak_nothing()
    {
        var victims = new Victims();
        var clock = new OwnClock();
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                victims.Map(app);
                Crowd.Map(app);
            },
            options =>
            {
                options.MaxMessageSize = 64 * 1024;
                options.CloseTimeout = TimeSpan.FromMilliseconds(200);
                options.MaxConnections = CrowdSize + 1 + AtOnce * 4;
                options.MaxConnectionsPerAddress = CrowdSize + 1 + AtOnce * 4;
            },
            builder =>
            {
                victims.Register(builder.Services);

                // Its own wheel: what is scheduled on it is this server's.
                builder.Services.AddSingleton<TimeProvider>(clock);

                // The collected log would be most of the memory.
                builder.Logging.ClearProviders();
            });
        DuologueServer server = host.Services.GetRequiredService<DuologueServer>();
        using var pool = new PoolWatch();
        await using Crowd crowd = await Crowd.StartAsync(host, CrowdSize);

        // Warm: code is compiled, caches and pools have the size that so many at once need.
        await AttackAsync(host.Url, Peers / 10);
        await RestAsync(host, victims);
        await crowd.PauseAsync();
        Holdings before = await SettleAsync(() => Holdings.Take(server, victims, clock, pool), _ => true, null);

        crowd.Resume();
        await AttackAsync(host.Url, Peers);
        await RestAsync(host, victims);
        await crowd.PauseAsync();
        Holdings after = await SettleAsync(
            () => Holdings.Take(server, victims, clock, pool),
            now => now with { Memory = 0, Handles = 0 } == before with { Memory = 0, Handles = 0 }
                && now.Memory - before.Memory < Peers * MemoryPerPeer
                && now.Handles - before.Handles < HandlesAllowed,
            before);
        TestContext.Current.SendDiagnosticMessage($"Before: {before}\nAfter:  {after}");
        crowd.Resume();
        await crowd.FinishAsync();
    }

    [Fact]
    public async Task A_text_that_cannot_be_sent_gives_its_buffer_back()
    {
        using var pool = new PoolWatch();
        await using MemoryPair pair = MemoryPair.Create(new ConnectionOptions());
        await pair.Client.CloseAsync(1000, "");
        await Eventually.True(() => pool.Outstanding == 0, () => $"{pool.Outstanding} buffers are rented at rest.");
        await Assert.ThrowsAsync<ConnectionClosedException>(async () => await pair.Client.SendAsync("too late", TestContext.Current.CancellationToken));
        Assert.Equal(0, pool.Outstanding);
    }

    private static async Task AttackAsync(Uri url, int count)
    {
        int next = -1;
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(_ => Task.Run(async () =>
        {
            for (int i = Interlocked.Increment(ref next); i < count; i = Interlocked.Increment(ref next))
            {
                string path = i / Attacks.Length % 2 == 0 ? Victims.ClassPath : Victims.DelegatePath;
                await Attacks[i % Attacks.Length](url, path);
            }
        })));
    }

    /// <summary>Waits until nothing is rented and no victim lives: a batch that was just handled gives its buffer back a moment later.</summary>
    private static async Task<Holdings> SettleAsync(Func<Holdings> take, Predicate<Holdings> isExpected, Holdings? before)
    {
        Holdings now = take();
        await Eventually.True(
            () =>
            {
                now = take();
                return now is { RentedBuffers: 0, LiveConnections: 0 } && isExpected(now);
            },
            () => $"Before: {before}\nNow:    {now}");
        return now;
    }

    /// <summary>Nobody is left but the crowd, and every handler was told of its end.</summary>
    private static Task RestAsync(TestHost host, Victims victims) =>
        Eventually.True(() => host.Connections.Count == CrowdSize && victims.Ended == victims.Opened, () => $"{host.Connections.Count} connections, {victims.Opened} opened, {victims.Ended} ended.");

    private static async Task NoHttpAsync(Uri url, string path)
    {
        using HostilePeer peer = await HostilePeer.ConnectAsync(url);
        await peer.SayAsync("\x16\x03\x01 no request of any kind\r\n\r\n"u8.ToArray());
        Assert.StartsWith("HTTP/1.1 400 ", await peer.HearHeadAsync(), StringComparison.Ordinal);
    }

    private static Task GarbageKeyAsync(Uri url, string path) => RefusedAsync(url, HostilePeer.Request(path, "13", "garbage"), 400);

    private static Task WrongVersionAsync(Uri url, string path) => RefusedAsync(url, HostilePeer.Request(path, "8", "dGhlIHNhbXBsZSBub25jZQ=="), 426);

    private static async Task RefusedAsync(Uri url, string request, int status)
    {
        using HostilePeer peer = await HostilePeer.ConnectAsync(url);
        await peer.SayAsync(Encoding.ASCII.GetBytes(request));
        Assert.StartsWith($"HTTP/1.1 {status} ", await peer.HearHeadAsync(), StringComparison.Ordinal);
    }

    private static async Task ViolateAsync(Uri url, string path, byte[] said, byte[] answer)
    {
        using HostilePeer peer = await HostilePeer.OpenAsync(url, path);
        await peer.SayAsync(said);
        Assert.Equal(answer, await peer.HearAsync(answer.Length));
    }

    private static async Task DropMidFrameAsync(Uri url, string path)
    {
        using HostilePeer peer = await HostilePeer.OpenAsync(url, path);
        await peer.SayAsync(HostilePeer.Frame(0x81, "half of a"u8, 20));
    }

    private static async Task ResetMidFrameAsync(Uri url, string path)
    {
        using HostilePeer peer = await HostilePeer.OpenAsync(url, path);
        await peer.SayAsync(HostilePeer.Frame(0x82, new byte[5_000], 20_000));
        peer.Reset();
    }

    private static async Task NeverAnswerCloseAsync(Uri url, string path)
    {
        using HostilePeer peer = await HostilePeer.OpenAsync(url, path);
        await peer.SayAsync(HostilePeer.Frame(0x81, "close"u8));
        Assert.Equal(HostilePeer.Close(1000, "Enough."), (await peer.HearToEndAsync()).Bytes);
    }

    private static async Task ThrowAsync(Uri url, string path)
    {
        using HostilePeer peer = await HostilePeer.OpenAsync(url, path);

        // Messages wait behind the one that fails, and will never be received.
        await peer.SayAsync((byte[])[.. HostilePeer.Frame(0x81, "throw"u8), .. HostilePeer.Frame(0x81, "never"u8), .. HostilePeer.Frame(0x82, new byte[3_000])]);
        byte[] close = await peer.HearAsync(4);
        Assert.Equal((0x88, 1011), (close[0], close[2] << 8 | close[3]));
    }

    private static async Task ResetBehindQueueAsync(Uri url, string path)
    {
        using HostilePeer peer = await HostilePeer.OpenAsync(url, path);

        // Echoes that nobody reads are on their way when the line is reset.
        for (int i = 0; i < 4; i++)
        {
            await peer.SayAsync(HostilePeer.Frame(0x82, new byte[30_000]));
        }

        peer.Reset();
    }

    /// <summary>What the server, and with it the process, holds.</summary>
    private sealed record Holdings(int Registered, int Admitted, int AdmittedByAddress, int Timeouts, long RentedBuffers, int Handles, int LiveConnections, long Memory)
    {
        public static Holdings Take(DuologueServer server, Victims victims, TimeProvider clock, PoolWatch pool)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            int alive = victims.CountAlive();
            long memory = GC.GetTotalMemory(forceFullCollection: true);
            return new(
                server.Connections.Count,
                server.Admission.Total,
                server.Admission.Addresses,
                TimeoutWheel.For(clock).Count,
                pool.Outstanding,
                OperatingSystem.IsLinux() ? Directory.GetFileSystemEntries("/proc/self/fd").Length : 0,
                alive,
                memory);
        }
    }

    private sealed class OwnClock : TimeProvider;
}
