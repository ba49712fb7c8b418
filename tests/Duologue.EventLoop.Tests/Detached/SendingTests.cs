using System.Buffers.Binary;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Duologue.AspNetCore;
using Duologue.EventLoop.Detached;
using Duologue.EventLoop.Diagnostics;
using Duologue.EventLoop.Tests.Support;
using Duologue.EventLoop.Transport;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Duologue.EventLoop.Tests.Detached;

/// <summary>Sending to detached connections: from other threads, to many, and to peers that do not read.</summary>
public class SendingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Messages_of_many_threads_arrive_each_threads_in_order(EventLoopBackend backend)
    {
        const int threads = 8;
        const int each = 2000;
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapDuologue<EchoHandler>("/echo").WithOptions(echo => echo.SendQueueLimit = 16 * 1024 * 1024));
        using RawPeer peer = await RawPeer.OpenAsync(host.Url, "/echo");
        Connection server = await TheConnectionAsync(host);
        Task sending = Task.WhenAll(Enumerable.Range(0, threads).Select(thread => Task.Run(() =>
        {
            byte[] message = new byte[40];
            for (int i = 0; i < each; i++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(message, thread);
                BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(4), i);
                Assert.NotEqual(SendResult.Dropped, server.Send(message, MessageType.Binary));
            }
        })));
        int[] next = new int[threads];
        for (int i = 0; i < threads * each; i++)
        {
            byte[] message = await peer.ReadMessageAsync(0x82);
            int thread = BinaryPrimitives.ReadInt32LittleEndian(message);
            Assert.Equal(next[thread]++, BinaryPrimitives.ReadInt32LittleEndian(message.AsSpan(4)));
        }

        await sending;
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task What_is_published_reaches_all_subscribers_on_all_loops_in_order(EventLoopBackend backend)
    {
        const int subscribers = 50;
        const int messages = 200;
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapDuologue<Subscribing>("/topic"));
        Topics topics = host.Services.GetRequiredService<Topics>();
        RawPeer[] peers = await Task.WhenAll(Enumerable.Range(0, subscribers).Select(_ => RawPeer.OpenAsync(host.Url, "/topic")));
        await Eventually.True(() => topics.CountSubscribers("news") == subscribers, () => $"{topics.CountSubscribers("news")} have subscribed.");
        Task publishing = Task.Run(() =>
        {
            for (int i = 0; i < messages; i++)
            {
                topics.Publish("news", i.ToString(CultureInfo.InvariantCulture));
            }
        }, Token);
        await Task.WhenAll(peers.Select(async peer =>
        {
            for (int i = 0; i < messages; i++)
            {
                Assert.Equal(i.ToString(CultureInfo.InvariantCulture), Encoding.ASCII.GetString(await peer.ReadMessageAsync(0x81)));
            }

            peer.Dispose();
        }));
        await publishing;
        await Eventually.True(() => host.SocketCount == 0 && host.RentedBlocks == 0, () => $"{host.SocketCount} sockets and {host.RentedBlocks} blocks are left.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task What_is_published_on_the_loop_itself_reaches_each_whole_and_in_order(EventLoopBackend backend)
    {
        const int subscribers = 20;
        const int messages = 150;
        await using LoopHost host = await LoopHost.StartAsync(
            options => (options.Backend, options.Loops) = (backend, 1),
            app =>
            {
                app.MapDuologue<Answering>("/topic");
                app.MapDuologue<Publishing>("/publish");
            },
            _ => { },
            _ => { });
        Topics topics = host.Services.GetRequiredService<Topics>();
        RawPeer[] peers = await Task.WhenAll(Enumerable.Range(0, subscribers).Select(_ => RawPeer.OpenAsync(host.Url, "/topic")));
        await Eventually.True(() => topics.CountSubscribers("news") == subscribers, () => $"{topics.CountSubscribers("news")} have subscribed.");
        using RawPeer publisher = await RawPeer.OpenAsync(host.Url, "/publish");
        for (int i = 0; i < messages; i += 10)
        {
            // Ten at once share a turn, more often than not; in between each subscriber is answered by itself.
            await publisher.SendAsync(Enumerable.Range(i, 10).SelectMany(number => RawPeer.MaskedFrame(0x82, Published(number))).ToArray());
            await Task.WhenAll(peers.Select(peer => peer.SendAsync(RawPeer.MaskedFrame(0x81, "me"u8))));
        }

        // The first reads only now that all are on their way.
        foreach (RawPeer peer in peers)
        {
            for (int i = 0, answers = 0; i < messages || answers < messages / 10;)
            {
                (byte first, byte[] payload) = await peer.ReadFrameAsync();
                if (first == 0x81)
                {
                    answers++;
                    Assert.Equal("me"u8, payload);
                }
                else
                {
                    Assert.Equal(Published(i++), payload);
                }
            }

            peer.Dispose();
        }

        await Eventually.True(() => host.SocketCount == 1 && host.RentedBlocks == 0, () => $"{host.SocketCount} sockets and {host.RentedBlocks} blocks are left.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_send_waits_for_a_peer_that_does_not_read_and_goes_on_when_it_does(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapDuologue<EchoHandler>("/echo"));
        using RawPeer peer = await RawPeer.OpenAsync(host.Url, "/echo");
        Connection server = await TheConnectionAsync(host);
        byte[] message = new byte[32 * 1024 * 1024];
        new Random(5).NextBytes(message);
        Task sending = server.SendAsync(message, MessageType.Binary, Token).AsTask();
        await Task.WhenAny(sending, Task.Delay(300, Token));
        Assert.False(sending.IsCompleted);
        byte[] received = await peer.ReadMessageAsync(0x82);
        Assert.Equal(message.Length, message.AsSpan().CommonPrefixLength(received));
        await sending.WaitAsync(LoopHost.Patience, Token);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Large_answers_that_leave_from_where_they_lie_keep_their_place_among_small_ones(EventLoopBackend backend)
    {
        // Below and above the size from which an answer is sent without a copy; the largest do not fit into the socket at once.
        int[] sizes = [20, 9_000, 125, 16_384, 8_181, 8_182, 700_000, 3, 65_536, 0, 300_000, 5];
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapDuologue<EchoHandler>("/echo").WithOptions(echo => echo.SendQueueLimit = 64 * 1024 * 1024));
        using RawPeer peer = await RawPeer.OpenAsync(host.Url, "/echo");
        byte[] content = new byte[sizes.Max()];
        new Random(11).NextBytes(content);
        const int rounds = 4;
        Task sending = Task.Run(async () =>
        {
            for (int round = 0; round < rounds; round++)
            {
                foreach (int size in sizes)
                {
                    await peer.SendAsync(RawPeer.MaskedFrame(0x82, content.AsSpan(content.Length - size)));
                }
            }
        }, Token);
        for (int round = 0; round < rounds; round++)
        {
            foreach (int size in sizes)
            {
                byte[] message = await peer.ReadMessageAsync(0x82);
                Assert.Equal(size, message.Length);
                Assert.Equal(size, content.AsSpan(content.Length - size).CommonPrefixLength(message));
            }
        }

        await sending;
        peer.Dispose();
        await Eventually.True(() => host.SocketCount == 0 && host.RentedBlocks == 0, () => $"{host.SocketCount} sockets and {host.RentedBlocks} blocks are left.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_FIN_right_behind_much_is_seen(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapDuologue<EchoHandler>("/echo").WithOptions(echo => echo.SendQueueLimit = 64 * 1024 * 1024));
        for (int i = 0; i < 50; i++)
        {
            using RawPeer peer = await RawPeer.OpenAsync(host.Url, "/echo");
            byte[] frame = RawPeer.MaskedFrame(0x82, new byte[20_000 + i]);
            for (int n = 0; n < 3; n++)
            {
                await peer.SendAsync(frame);
                Assert.Equal(20_000 + i, (await peer.ReadMessageAsync(0x82)).Length);
            }

            // With the last bytes in one wake-up, often enough.
            await peer.SendAsync(frame);
            peer.Socket.Shutdown(SocketShutdown.Send);
            Assert.Equal(20_000 + i, (await peer.ReadMessageAsync(0x82)).Length);
        }

        await Eventually.True(() => host.SocketCount == 0, () => $"{host.SocketCount} sockets are left.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_handler_that_waits_holds_its_peer_back(EventLoopBackend backend)
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapDuologue<Waiting>("/waiting"), builder => builder.Services.AddSingleton(release));
        using RawPeer peer = await RawPeer.OpenAsync(host.Url, "/waiting");
        byte[] frame = RawPeer.MaskedFrame(0x82, new byte[100_000]);
        const int count = 400;
        Task sending = Task.Run(async () =>
        {
            for (int i = 0; i < count; i++)
            {
                await peer.SendAsync(frame);
            }
        }, Token);
        await Task.WhenAny(sending, Task.Delay(500, Token));
        Assert.False(sending.IsCompleted);
        release.SetResult();
        for (int i = 0; i < count; i++)
        {
            Assert.Equal(4, (await peer.ReadMessageAsync(0x82)).Length);
        }

        await sending;
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_peer_that_never_reads_is_cut_some_time_after_the_close(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapDuologue<EchoHandler>("/echo").WithOptions(echo => (echo.SendQueueLimit, echo.CloseTimeout) = (64 * 1024 * 1024, TimeSpan.FromSeconds(1))));
        using RawPeer peer = await RawPeer.OpenAsync(host.Url, "/echo");
        Connection server = await TheConnectionAsync(host);
        for (int i = 0; i < 32; i++)
        {
            server.Send(new byte[1024 * 1024], MessageType.Binary);
        }

        CloseInfo info = await server.CloseAsync(1000, "").AsTask().WaitAsync(LoopHost.Patience, Token);
        Assert.False(info.WasClean);
        await Eventually.True(() => host.SocketCount == 0 && host.RentedBlocks == 0, () => $"{host.SocketCount} sockets and {host.RentedBlocks} blocks are left.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_peer_that_does_not_read_the_last_bytes_is_reset_counted_and_told_of(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapDuologue<Stuffing>("/stuffing"));
        using var counted = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), LoopWatchdog.MeterName, LoopWatchdog.UnreadCounterName);
        using RawPeer peer = await RawPeer.OpenNarrowAsync(host.Url, "/stuffing");
        Connection server = await TheConnectionAsync(host);

        await peer.SendAsync((byte[])[.. RawPeer.MaskedFrame(0x81, "stuff"u8), .. RawPeer.MaskedFrame(0x88, [0x03, 0xE8])]);

        // For the connection all has been said; for the loop it has not.
        Assert.True((await server.Closed.WaitAsync(LoopHost.Patience, Token)).WasClean);
        await Eventually.True(() => host.SocketCount == 0 && host.RentedBlocks == 0, () => $"{host.SocketCount} sockets and {host.RentedBlocks} blocks are left.");
        counted.RecordObservableInstruments();
        Assert.Equal(1, counted.LastMeasurement!.Value);
        Assert.Single(host.Log.GetSnapshot(), record => record.Id.Name == "LastBytesUnread");
    }

    // Of some bytes, of some hundred, now and then of more than a block.
    private static byte[] Published(int number)
    {
        byte[] message = new byte[number % 50 == 49 ? 20_000 : number % 7 * 150];
        Array.Fill(message, (byte)number);
        return message;
    }

    private static async Task<Connection> TheConnectionAsync(LoopHost host)
    {
        Connections connections = host.Services.GetRequiredService<Connections>();
        await Eventually.True(() => connections.Count == 1, () => "There is no connection.");
        return connections.Single();
    }

    private sealed class Subscribing : MessageHandler
    {
        public override ValueTask OnOpenAsync(Connection connection)
        {
            connection.Subscribe("news");
            return ValueTask.CompletedTask;
        }

        public override ValueTask OnMessageAsync(Connection connection, Message message) => ValueTask.CompletedTask;
    }

    private sealed class Answering : MessageHandler
    {
        public override ValueTask OnOpenAsync(Connection connection)
        {
            connection.Subscribe("news");
            return ValueTask.CompletedTask;
        }

        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            connection.Send(message.Data.Span, message.Type);
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Publishing(Topics topics) : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            topics.Publish("news", message.Data.Span, message.Type);
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>Sends more than the socket takes, and less than its carrier does.</summary>
    private sealed class Stuffing(EventLoopTransport transport) : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            int descriptor = transport.Loops!.Loops.Single(loop => loop.IsCurrentThread).Current!.Descriptor;
            var socket = new Socket(new SafeSocketHandle(descriptor, ownsHandle: false)) { SendBufferSize = 1 };
            connection.Send(new byte[EventLoopCarrier.HighMark - 8 * 1024], MessageType.Binary);
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Waiting(TaskCompletionSource release) : MessageHandler
    {
        public override async ValueTask OnMessageAsync(Connection connection, Message message)
        {
            await release.Task;
            await connection.SendAsync(new byte[4], MessageType.Binary);
        }
    }
}
