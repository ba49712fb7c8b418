using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Duologue.Carriers;
using Duologue.Protocol;
using Duologue.Tests.Peer;
using Duologue.Tests.Protocol;

namespace Duologue.Tests.Carriers;

public sealed class StreamCarrierTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    [InlineData(16 * 1024)]
    [InlineData(1_000_000)]
    public async Task Echoes_over_a_socket_in_both_roles(int size)
    {
        await using var pair = await SocketPair.CreateAsync(new ConnectionOptions { CloseTimeout = TimeSpan.FromMinutes(1) });
        Task echo = Task.Run(
            async () =>
            {
                await foreach (Message message in pair.Server.ReadAllAsync(Token))
                {
                    await pair.Server.SendAsync(message.Data, message.Type, Token);
                }
            },
            Token);
        byte[] data = new byte[size];
        new Random(size).NextBytes(data);
        for (int i = 0; i < 5; i++)
        {
            await pair.Client.SendAsync(data, MessageType.Binary, Token).Soon();
            Assert.Equal(data, (await pair.Client.ReceiveAsync(Token).Soon()).ToArray());
        }

        Assert.True((await pair.Client.CloseAsync(3000, "bye").Soon()).WasClean);
        Assert.Equal(new CloseInfo(3000, "bye", true, true, CloseCause.PeerClosed), await pair.Server.Closed.Soon());
        await echo.Soon();
        await pair.Running.Soon();
    }

    [Fact]
    public async Task A_stream_of_many_messages_keeps_content_and_order()
    {
        await using var pair = await SocketPair.CreateAsync(new ConnectionOptions());
        const int Count = 3000;
        Task sending = Task.Run(
            async () =>
            {
                var random = new Random(7);
                for (int i = 0; i < Count; i++)
                {
                    byte[] message = new byte[4 + random.Next(random.Next(10) == 0 ? 60_000 : 300)];
                    Array.Fill(message, (byte)i);
                    BitConverter.TryWriteBytes(message, i);
                    await pair.Client.SendAsync(message, MessageType.Binary, Token);
                }
            },
            Token);
        for (int i = 0; i < Count; i++)
        {
            Message message = await pair.Server.ReceiveAsync(Token).Soon();
            Assert.Equal(i, BitConverter.ToInt32(message.Data.Span));
            Assert.Equal(-1, message.Data.Span[4..].IndexOfAnyExcept((byte)i));
        }

        await sending.Soon();
    }

    [Fact]
    public async Task Reading_pauses_behind_a_pending_handler_and_goes_on()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int handled = 0;
        var handler = new TestHandler
        {
            OnMessage = async (_, _) =>
            {
                await gate.Task;
                Interlocked.Increment(ref handled);
            },
        };
        await using var pair = await SocketPair.CreateAsync(new ConnectionOptions(), handler);
        Task sending = Task.Run(
            async () =>
            {
                for (int i = 0; i < 300; i++)
                {
                    await pair.Client.SendAsync(new byte[10_000], MessageType.Binary, Token);
                }
            },
            Token);
        await Waiting.Until(() => pair.Observed.Pauses == 1);
        Assert.InRange(pair.Observed.Received, 6, 8);
        gate.SetResult();
        await sending.Soon();
        await Waiting.Until(() => Volatile.Read(ref handled) == 300);
    }

    [Fact]
    public async Task Abort_ends_both_sides()
    {
        await using var pair = await SocketPair.CreateAsync(new ConnectionOptions());
        pair.Client.Abort();
        Assert.Equal(CloseCause.Aborted, (await pair.Client.Closed.Soon()).Cause);
        Assert.Equal(CloseCause.ConnectionLost, (await pair.Server.Closed.Soon()).Cause);
        await pair.Running.Soon();
    }

    [Fact]
    public async Task A_flush_on_a_dead_stream_answers_false_and_does_not_throw()
    {
        var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Client, Options = new ConnectionOptions() });
        var pipe = new Pipe();
        var stream = new MemoryStream();
        var carrier = new StreamCarrier(stream, connection);
        await stream.DisposeAsync();
        carrier.Output.GetSpan(1)[0] = 1;
        carrier.Output.Advance(1);
        Assert.False(await carrier.FlushAsync().Soon());
        await pipe.Writer.CompleteAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1_000)]
    [InlineData(30_000)]
    public async Task A_peer_that_never_pauses_does_not_keep_the_thread(int size)
    {
        byte[] frame = new WireFrame(WireFrame.Binary, new byte[size]).Masked().ToBytes();
        int count = 500_000 / frame.Length;
        var all = new MemoryStream();
        for (int i = 0; i < count; i++)
        {
            all.Write(frame);
        }

        all.Position = 0;
        var courtesy = new CourtesyCount();
        await courtesy.AssertGivesThreadBackAsync(() => new StreamCarrier(all, courtesy.Connection).RunAsync(), count);
    }

    [Fact]
    public async Task A_foreign_exception_in_the_pump_ends_the_connection_and_disposes_the_stream()
    {
        var stream = new MemoryStream(WireFrame.OfText("x"u8).Masked().ToBytes());
        var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions(), Observer = new Throwing() });

        await Assert.ThrowsAsync<InvalidTimeZoneException>(() => new StreamCarrier(stream, connection).RunAsync().Soon());

        Assert.Equal(CloseCause.ConnectionLost, (await connection.Closed.Soon()).Cause);
        Assert.False(stream.CanRead);
    }

    /// <summary>What nobody expects of an observer: it throws.</summary>
    private sealed class Throwing : ConnectionObserver
    {
        public override void MessageReceived(WebSocketConnection connection, int bytes) => throw new InvalidTimeZoneException();
    }

    private sealed class SocketPair : IAsyncDisposable
    {
        private readonly WebSocketConnection[] _peers;

        private SocketPair(WebSocketConnection server, WebSocketConnection client, Task running, Observed observed)
        {
            _peers = [server, client];
            Running = running;
            Observed = observed;
        }

        public WebSocketConnection Server => _peers[0];

        public WebSocketConnection Client => _peers[1];

        public Observed Observed { get; }

        public Task Running { get; }

        public static async Task<SocketPair> CreateAsync(ConnectionOptions options, IMessageHandler? handler = null)
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var one = new TcpClient();
            await one.ConnectAsync((IPEndPoint)listener.LocalEndpoint, Token);
            TcpClient other = await listener.AcceptTcpClientAsync(Token);
            var observed = new Observed();
            var server = new WebSocketConnection(
                new ConnectionSetup { Role = Role.Server, Options = options, Handler = handler, Observer = observed });
            var client = new WebSocketConnection(new ConnectionSetup { Role = Role.Client, Options = options });
            Task running = Task.WhenAll(
                new StreamCarrier(other.GetStream(), server).RunAsync(),
                new StreamCarrier(one.GetStream(), client).RunAsync());
            return new SocketPair(server, client, running, observed);
        }

        public async ValueTask DisposeAsync()
        {
            Server.Abort();
            Client.Abort();
            await Running.Soon();
        }
    }
}
