using System.IO.Pipelines;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Duologue.EventLoop.Tests.Support;
using Duologue.EventLoop.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Duologue.EventLoop.Tests.Transport;

/// <summary>What Kestrel may expect of a transport's connection, without Kestrel.</summary>
public class PipeContractTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task What_the_peer_sends_is_read_to_its_end(EventLoopBackend backend)
    {
        await using Bench bench = await Bench.StartAsync(backend);
        (Socket peer, ConnectionContext connection) = await bench.ConnectAsync();
        byte[] sent = Bench.RandomBytes(3_000_000);
        Task sending = Task.Run(async () =>
        {
            await Bench.SendAsync(peer, sent);
            peer.Shutdown(SocketShutdown.Send);
        }, Token);
        byte[] received = await Bench.ReadToEndAsync(connection.Transport.Input);
        Bench.AssertSame(sent, received);
        await sending;
        await connection.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task After_the_peers_end_it_can_still_be_written_to(EventLoopBackend backend)
    {
        await using Bench bench = await Bench.StartAsync(backend);
        (Socket peer, ConnectionContext connection) = await bench.ConnectAsync();
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.ConnectionClosed.Register(() => closed.TrySetResult());
        peer.Shutdown(SocketShutdown.Send);
        ReadResult end = await connection.Transport.Input.ReadAsync(Token);
        Assert.True(end.IsCompleted && end.Buffer.IsEmpty);
        await closed.Task.WaitAsync(LoopHost.Patience, Token);

        byte[] answer = Bench.RandomBytes(500_000);
        Task<byte[]> receiving = Bench.ReceiveToEndAsync(peer);
        await connection.Transport.Output.WriteAsync(answer, Token);
        await connection.DisposeAsync();
        Bench.AssertSame(answer, await receiving);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task All_that_was_written_leaves_before_the_end(EventLoopBackend backend)
    {
        await using Bench bench = await Bench.StartAsync(backend);
        (Socket peer, ConnectionContext connection) = await bench.ConnectAsync();
        byte[] sent = Bench.RandomBytes(2_000_000);
        PipeWriter output = connection.Transport.Output;
        for (int at = 0; at < sent.Length; at += 1000)
        {
            sent.AsSpan(at, 1000).CopyTo(output.GetSpan(1000));
            output.Advance(1000);
        }

        Task disposing = connection.DisposeAsync().AsTask();
        Bench.AssertSame(sent, await Bench.ReceiveToEndAsync(peer));
        await disposing.WaitAsync(LoopHost.Patience, Token);
        await Eventually.True(() => bench.SocketCount == 0, () => "The socket is still there.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task An_abort_resets_and_both_pipes_tell(EventLoopBackend backend)
    {
        await using Bench bench = await Bench.StartAsync(backend);
        (Socket peer, ConnectionContext connection) = await bench.ConnectAsync();
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.ConnectionClosed.Register(() => closed.TrySetResult());
        ValueTask<ReadResult> reading = connection.Transport.Input.ReadAsync(Token);
        connection.Abort(new ConnectionAbortedException("enough"));
        await Assert.ThrowsAsync<ConnectionAbortedException>(async () => await reading);
        await closed.Task.WaitAsync(LoopHost.Patience, Token);
        SocketException error = await Assert.ThrowsAsync<SocketException>(async () => await peer.ReceiveAsync(new byte[1], Token));
        Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
        await Eventually.True(() => connection.Transport.Output.WriteAsync(new byte[1], Token).AsTask().GetAwaiter().GetResult().IsCompleted, () => "The output takes bytes still.");
        await connection.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_reset_by_the_peer_is_read_as_one(EventLoopBackend backend)
    {
        await using Bench bench = await Bench.StartAsync(backend);
        (Socket peer, ConnectionContext connection) = await bench.ConnectAsync();
        ValueTask<ReadResult> reading = connection.Transport.Input.ReadAsync(Token);
        peer.LingerState = new LingerOption(true, 0);
        peer.Close();
        await Assert.ThrowsAsync<ConnectionResetException>(async () => await reading);
        await connection.DisposeAsync();
        await Eventually.True(() => bench.SocketCount == 0, () => "The socket is still there.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_reset_by_the_peer_made_a_flush_throw_which_Kestrel_logs_as_a_fault(EventLoopBackend backend)
    {
        await using Bench bench = await Bench.StartAsync(backend);
        (Socket peer, ConnectionContext connection) = await bench.ConnectAsync();
        byte[] piece = Bench.RandomBytes(64 * 1024);

        // What the peer does not read fills the kernel's buffers, and then a flush waits; perhaps it is one of those behind the reset.
        Task<FlushResult> flush = connection.Transport.Output.WriteAsync(piece, Token).AsTask();
        while (flush.IsCompleted)
        {
            Assert.False((await flush).IsCompleted);
            flush = connection.Transport.Output.WriteAsync(piece, Token).AsTask();
        }

        peer.LingerState = new LingerOption(true, 0);
        peer.Close();
        while (!(await flush.WaitAsync(LoopHost.Patience, Token)).IsCompleted)
        {
            flush = connection.Transport.Output.WriteAsync(piece, Token).AsTask();
        }

        await connection.DisposeAsync();
        await Eventually.True(() => bench.SocketCount == 0, () => "The socket is still there.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_full_pipe_stops_the_peer_and_an_empty_one_lets_it_go_on(EventLoopBackend backend)
    {
        await using Bench bench = await Bench.StartAsync(backend);
        (Socket peer, ConnectionContext connection) = await bench.ConnectAsync();
        byte[] sent = Bench.RandomBytes(48 * 1024 * 1024);
        Task sending = Task.Run(async () =>
        {
            await Bench.SendAsync(peer, sent);
            peer.Shutdown(SocketShutdown.Send);
        }, Token);
        Assert.NotSame(sending, await Task.WhenAny(sending, Task.Delay(300, Token)).ContinueWith(_ => sending.IsCompleted ? sending : Task.CompletedTask, Token, TaskContinuationOptions.None, TaskScheduler.Default));
        ReadResult first = await connection.Transport.Input.ReadAsync(Token);
        Assert.InRange(first.Buffer.Length, 1, 4 * 1024 * 1024);
        connection.Transport.Input.AdvanceTo(first.Buffer.Start);
        Bench.AssertSame(sent, await Bench.ReadToEndAsync(connection.Transport.Input));
        await sending;
        await connection.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_peer_that_does_not_read_makes_flushes_wait(EventLoopBackend backend)
    {
        await using Bench bench = await Bench.StartAsync(backend);
        (Socket peer, ConnectionContext connection) = await bench.ConnectAsync();
        byte[] piece = Bench.RandomBytes(64 * 1024);
        long written = 0;
        ValueTask<FlushResult> flush;
        while ((flush = connection.Transport.Output.WriteAsync(piece, Token)).IsCompleted || await IsSoon(flush))
        {
            written += piece.Length;
            Assert.InRange(written, 0, 64 * 1024 * 1024);
        }

        // An abort in the middle of it frees whoever waits.
        connection.Abort(new ConnectionAbortedException("enough"));
        await Eventually.True(() => bench.SocketCount == 0, () => "The socket is still there.");
        await connection.DisposeAsync();
        peer.Dispose();

        static async Task<bool> IsSoon(ValueTask<FlushResult> waiting)
        {
            Task<FlushResult> task = waiting.AsTask();
            return await Task.WhenAny(task, Task.Delay(500, Token)) == task;
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task The_features_are_those_of_Kestrels_own_connections(EventLoopBackend backend)
    {
        await using Bench bench = await Bench.StartAsync(backend);
        (Socket peer, ConnectionContext connection) = await bench.ConnectAsync();
        Assert.Same(connection.Transport, connection.Features.Get<IConnectionTransportFeature>()!.Transport);
        Assert.NotNull(connection.Features.Get<IMemoryPoolFeature>()!.MemoryPool);
        Assert.Equal(connection.ConnectionId, connection.Features.Get<IConnectionIdFeature>()!.ConnectionId);
        Assert.Equal(connection.ConnectionClosed, connection.Features.Get<IConnectionLifetimeFeature>()!.ConnectionClosed);
        Assert.Equal(peer.LocalEndPoint, connection.Features.Get<IConnectionEndPointFeature>()!.RemoteEndPoint);
        Assert.Equal(peer.RemoteEndPoint, connection.LocalEndPoint);
        Assert.NotNull(connection.Features.Get<IConnectionItemsFeature>());
        connection.Features.Set("mine");
        Assert.Equal("mine", connection.Features.Get<string>());
        Assert.Contains(connection.Features, pair => pair.Key == typeof(string));
        await connection.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Unix_sockets_work_alike(EventLoopBackend backend)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await using (Bench bench = await Bench.StartAsync(backend, new UnixDomainSocketEndPoint(path)))
        {
            (Socket peer, ConnectionContext connection) = await bench.ConnectAsync();
            await Bench.SendAsync(peer, "hello"u8.ToArray());
            peer.Shutdown(SocketShutdown.Send);
            Assert.Equal("hello"u8.ToArray(), await Bench.ReadToEndAsync(connection.Transport.Input));
            await connection.DisposeAsync();
            Assert.True(File.Exists(path));
        }

        Assert.False(File.Exists(path));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task IPv6_works_alike(EventLoopBackend backend)
    {
        Assert.SkipUnless(NetworkInterface.GetAllNetworkInterfaces().Any(one => one.GetIPProperties().UnicastAddresses.Any(unicast => unicast.Address.Equals(IPAddress.IPv6Loopback))), "The machine has no IPv6.");
        await using Bench bench = await Bench.StartAsync(backend, new IPEndPoint(IPAddress.IPv6Any, 0));
        foreach (IPAddress address in new[] { IPAddress.IPv6Loopback, IPAddress.Loopback })
        {
            var endpoint = new IPEndPoint(address, ((IPEndPoint)bench.EndPoint).Port);
            (Socket peer, ConnectionContext connection) = await bench.ConnectAsync(endpoint);
            await Bench.SendAsync(peer, "hello"u8.ToArray());
            peer.Shutdown(SocketShutdown.Send);
            Assert.Equal("hello"u8.ToArray(), await Bench.ReadToEndAsync(connection.Transport.Input));
            Assert.Equal(AsIPv6(peer.LocalEndPoint), AsIPv6(connection.RemoteEndPoint));
            Assert.Equal(AsIPv6(endpoint), AsIPv6(connection.LocalEndPoint));
        }

        // Where both versions are listened for, an address of IPv4 is told as one of IPv6.
        static IPEndPoint AsIPv6(EndPoint? endpoint) => new(((IPEndPoint)endpoint!).Address.MapToIPv6(), ((IPEndPoint)endpoint).Port);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task An_address_in_use_is_refused_although_loops_share_theirs(EventLoopBackend backend)
    {
        await using Bench first = await Bench.StartAsync(backend);
        using var second = new EventLoopTransport(Options.Create(new EventLoopOptions { Backend = backend, Loops = 2 }), NullLoggerFactory.Instance, null, null);
        await Assert.ThrowsAsync<AddressInUseException>(async () => await second.BindAsync(first.EndPoint, Token));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task An_unbound_address_can_be_bound_again_at_once(EventLoopBackend backend)
    {
        EndPoint endpoint;
        await using (Bench first = await Bench.StartAsync(backend))
        {
            endpoint = first.EndPoint;
            (Socket peer, ConnectionContext connection) = await first.ConnectAsync();
            await connection.DisposeAsync();
            peer.Dispose();
        }

        await using Bench second = await Bench.StartAsync(backend, endpoint);
        Assert.Equal(endpoint, second.EndPoint);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task All_loops_take_connections(EventLoopBackend backend)
    {
        await using Bench bench = await Bench.StartAsync(backend);
        for (int i = 0; i < 64; i++)
        {
            await bench.ConnectAsync();
        }

        Assert.All(bench.Loops, loop => Assert.NotEqual(0, loop.SocketCount));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task The_connections_of_a_Unix_socket_go_round_the_loops(EventLoopBackend backend)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await using Bench bench = await Bench.StartAsync(backend, new UnixDomainSocketEndPoint(path));
        for (byte i = 0; i < 8; i++)
        {
            (Socket peer, ConnectionContext connection) = await bench.ConnectAsync();
            await Bench.SendAsync(peer, new[] { i });
            peer.Shutdown(SocketShutdown.Send);
            Assert.Equal([i], await Bench.ReadToEndAsync(connection.Transport.Input));
        }

        Assert.All(bench.Loops, loop => Assert.Equal(8 / bench.Loops.Count, loop.SocketCount));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Connections_that_nobody_takes_wait_in_the_kernel_and_are_taken_in_when_somebody_does(EventLoopBackend backend)
    {
        // 1024 may wait for Kestrel, and a few more that were under way.
        const int Count = 2500;
        await using Bench bench = await Bench.StartAsync(backend);
        for (int i = 0; i < Count; i++)
        {
            await bench.DialAsync(bench.EndPoint);
        }

        await Eventually.True(() => bench.SocketCount >= 1024, () => $"{bench.SocketCount} connections were taken in.");
        await bench.TurnAsync();
        Assert.InRange(bench.SocketCount, 1024, Count - 1);
        for (int i = 0; i < Count; i++)
        {
            await bench.AcceptAsync();
        }

        Assert.Equal(Count, bench.SocketCount);
    }

    /// <summary>A transport with one listener, and clients for it.</summary>
    private sealed class Bench : IAsyncDisposable
    {
        private readonly EventLoopTransport _transport;
        private readonly IConnectionListener _listener;
        private readonly List<Socket> _peers = [];
        private readonly List<ConnectionContext> _connections = [];

        private Bench(EventLoopTransport transport, IConnectionListener listener)
        {
            _transport = transport;
            _listener = listener;
        }

        public EndPoint EndPoint => _listener.EndPoint;

        public IReadOnlyList<Duologue.EventLoop.Loops.Loop> Loops => _transport.Loops!.Loops;

        public int SocketCount => Loops.Sum(loop => loop.SocketCount);

        public static Task<Bench> StartAsync(EventLoopBackend backend) => StartAsync(backend, new IPEndPoint(IPAddress.Loopback, 0));

        public static async Task<Bench> StartAsync(EventLoopBackend backend, EndPoint endpoint)
        {
            var transport = new EventLoopTransport(Options.Create(new EventLoopOptions { Backend = backend, Loops = 2 }), NullLoggerFactory.Instance, null, null);
            Assert.True(transport.CanBind(endpoint));
            return new Bench(transport, await transport.BindAsync(endpoint, Token));
        }

        public Task<(Socket Peer, ConnectionContext Connection)> ConnectAsync() => ConnectAsync(EndPoint);

        public async Task<(Socket Peer, ConnectionContext Connection)> ConnectAsync(EndPoint endpoint)
        {
            Socket peer = await DialAsync(endpoint);
            return (peer, await AcceptAsync());
        }

        public async Task<Socket> DialAsync(EndPoint endpoint)
        {
            ProtocolType protocol = endpoint is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified;
            var peer = new Socket(endpoint.AddressFamily, SocketType.Stream, protocol);
            _peers.Add(peer);
            await peer.ConnectAsync(endpoint, Token);
            return peer;
        }

        public async Task<ConnectionContext> AcceptAsync()
        {
            ConnectionContext connection = (await _listener.AcceptAsync(Token).AsTask().WaitAsync(LoopHost.Patience, Token))!;
            _connections.Add(connection);
            return connection;
        }

        /// <summary>Lets each loop do what it has to do already.</summary>
        public async Task TurnAsync()
        {
            foreach (Duologue.EventLoop.Loops.Loop loop in Loops)
            {
                var turned = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                loop.Post(turned.SetResult);
                await turned.Task.WaitAsync(LoopHost.Patience, Token);
            }
        }

        public static void AssertSame(byte[] expected, byte[] actual)
        {
            Assert.Equal(expected.Length, actual.Length);
            Assert.Equal(expected.Length, expected.AsSpan().CommonPrefixLength(actual));
        }

        public static byte[] RandomBytes(int length)
        {
            byte[] bytes = new byte[length];
            new Random(length).NextBytes(bytes);
            return bytes;
        }

        public static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> bytes)
        {
            while (!bytes.IsEmpty)
            {
                bytes = bytes[await socket.SendAsync(bytes, Token)..];
            }
        }

        public static async Task<byte[]> ReceiveToEndAsync(Socket socket)
        {
            using var all = new MemoryStream();
            byte[] buffer = new byte[64 * 1024];
            int count;
            while ((count = await socket.ReceiveAsync(buffer, Token).AsTask().WaitAsync(LoopHost.Patience, Token)) > 0)
            {
                all.Write(buffer, 0, count);
            }

            return all.ToArray();
        }

        public static async Task<byte[]> ReadToEndAsync(PipeReader reader)
        {
            using var all = new MemoryStream();
            while (true)
            {
                ReadResult result = await reader.ReadAsync(Token).AsTask().WaitAsync(LoopHost.Patience, Token);
                foreach (ReadOnlyMemory<byte> part in result.Buffer)
                {
                    all.Write(part.Span);
                }

                reader.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    return all.ToArray();
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _listener.UnbindAsync(CancellationToken.None);
            foreach (ConnectionContext connection in _connections)
            {
                connection.Abort(new ConnectionAbortedException("The test has ended."));
            }

            await _listener.DisposeAsync();
            _transport.Dispose();
            _peers.ForEach(peer => peer.Dispose());
        }
    }
}
