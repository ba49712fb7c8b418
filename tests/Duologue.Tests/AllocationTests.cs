using System.Buffers;
using System.IO.Pipelines;
using Duologue.Carriers;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;
using Duologue.Tests.Peer;
using Duologue.Tests.Protocol;
using Duologue.Tests.Protocol.Deflate;

namespace Duologue.Tests;

/// <summary>Runs alone: it counts what the whole process allocates, since pipes change threads.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
public sealed class AllocationCollection;

[Collection(nameof(AllocationTests))]
public sealed class AllocationTests
{
    private const int Warmup = 5_000;
    private const int Measured = 20_000;

    // The runner allocates a little meanwhile, and a buffer may miss the pool now and then. The smallest object per message
    // would sum up to four times as much.
    private const long Slack = 128 * 1024;

    public AllocationTests()
    {
        bool optimised = !typeof(Connection).Assembly.GetCustomAttributes(false)
            .OfType<System.Diagnostics.DebuggableAttribute>().Any(debuggable => debuggable.IsJITOptimizerDisabled);
        Assert.SkipUnless(optimised, "A Debug build allocates every async state machine; run with --configuration Release.");
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(20)]
    [InlineData(16 * 1024)]
    public async Task An_echo_by_a_handler_that_finishes_at_once_allocates_nothing(int size)
    {
        var handler = new EchoHandler();
        await using var echo = new Loop(handler, size);
        await echo.RunAsync(Warmup);
        await AssertAllocatesLessAsync(Slack, () => echo.RunAsync(Measured), $"{Measured} messages of {size} bytes.");
    }

    [Theory]
    [InlineData(20, 8, Slack)]
    [InlineData(16 * 1024, 3, Slack)]

    // More than the pipe takes: the flush waits, the queue fills. Buffers that change threads miss the pool now and then.
    [InlineData(16 * 1024, 8, 8 * Slack)]
    public async Task A_burst_of_messages_echoed_in_one_batch_allocates_nothing(int size, int burst, long slack)
    {
        await using var echo = new Loop(new EchoHandler(), size, burst);
        await echo.RunAsync(Warmup / burst);
        await AssertAllocatesLessAsync(slack, () => echo.RunAsync(Measured / burst), $"{Measured} messages of {size} bytes.");
    }

    [Theory]
    [InlineData(20)]
    [InlineData(16 * 1024)]
    public Task Send_from_outside_allocates_nothing(int size) => AssertSendsForNothingAsync(size, static (connection, payload) =>
        connection.Send(payload, MessageType.Binary) == SendResult.Dropped ? throw new InvalidOperationException("Nothing should be dropped.") : default);

    [Theory]
    [InlineData(20)]
    [InlineData(16 * 1024)]
    public Task SendAsync_from_outside_allocates_nothing(int size) => AssertSendsForNothingAsync(size, static (connection, payload) => connection.SendAsync(payload, MessageType.Binary, Token));

    [Theory]
    [InlineData(1024, true)]
    [InlineData(1024, false)]
    [InlineData(100 * 1024, true)]
    [InlineData(100 * 1024, false)]
    public async Task A_compressed_echo_allocates_nothing(int size, bool context)
    {
        await using var echo = new Loop(new EchoHandler(), size, 1, Reference.Agreement(context));
        int rounds = size > 1024 ? Measured / 20 : Measured;
        await echo.RunAsync(Warmup / 2);

        // Where the steps of one message change threads on a busy machine, the shared pool makes another array now and then: some, not one per message.
        await AssertAllocatesLessAsync(Slack + (20L * size), () => echo.RunAsync(rounds), $"{rounds} messages of {size} bytes.");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_compressed_SendAsync_allocates_nothing(bool context)
    {
        await using var loop = new Loop(new EchoHandler(), 20, 1, Reference.Agreement(context));
        byte[] payload = new byte[1000];
        await SendAsync(Warmup);
        await AssertAllocatesLessAsync(Slack, () => SendAsync(Measured), $"{Measured} messages.");

        async Task SendAsync(int count)
        {
            for (int i = 0; i < count; i++)
            {
                await loop.Connection.SendAsync(payload, MessageType.Binary, Token);
                await loop.ReadFrameAsync();
            }
        }
    }

    private static async Task AssertSendsForNothingAsync(int size, Func<Connection, byte[], ValueTask> send)
    {
        await using var loop = new Loop(new EchoHandler(), size);
        byte[] payload = new byte[size];
        await SendAsync(Warmup);
        await AssertAllocatesLessAsync(Slack, () => SendAsync(Measured), $"{Measured} messages of {size} bytes.");

        async Task SendAsync(int count)
        {
            for (int i = 0; i < count; i++)
            {
                await send(loop.Connection, payload);
                await loop.ReadAsync(size + (size < 126 ? 2 : 4));
            }
        }
    }

    /// <summary>The best of some runs: the rest of the process allocates now and then, but what a message costs is in each of them.</summary>
    private static async Task AssertAllocatesLessAsync(long bytes, Func<Task> run, string what)
    {
        long least = long.MaxValue;
        for (int attempt = 0; attempt < 5 && least >= bytes; attempt++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            await run();
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        Assert.True(least < bytes, $"{least} bytes for {what}");
    }

    private sealed class EchoHandler : IMessageHandler
    {
        public ValueTask OnOpenAsync(Connection connection) => default;

        public ValueTask OnMessageAsync(Connection connection, Message message)
        {
            connection.Send(message.Data.Span, message.Type);
            return default;
        }

        public ValueTask OnCloseAsync(Connection connection, CloseInfo info) => default;
    }

    /// <summary>A server on two pipes, and a peer that writes ready-made frames and counts the bytes of the answers.</summary>
    private sealed class Loop : IAsyncDisposable
    {
        private readonly Pipe _in;
        private readonly Pipe _out;
        private readonly byte[] _frames;
        private readonly int _answer;
        private readonly Task _running;
        private readonly bool _compressed;

        public Loop(IMessageHandler handler, int size, int burst = 1, DeflateAgreement? deflate = null)
        {
            byte[] frame = new WireFrame(WireFrame.Binary, new byte[size]).Masked().ToBytes();
            if (deflate is not null)
            {
                // Each by itself, which is right with a context too.
                _compressed = true;
                byte[] text = Reference.Sample(new Random(1), size, isText: true);
                frame = new WireFrame(WireFrame.Text, Reference.Compress(text)) { Reserved = 4 }.Masked().ToBytes();
            }

            // On one processor the shared pool keeps 32 arrays of a size: a burst in blocks of 4 KiB is more.
            PipeOptions pipes = burst == 1 ? PipeOptions.Default : new PipeOptions(minimumSegmentSize: 32 * 1024);
            (_in, _out) = (new Pipe(pipes), new Pipe(pipes));
            _frames = [.. Enumerable.Repeat(frame, burst).SelectMany(bytes => bytes)];
            _answer = burst * (frame.Length - 4);
            Connection = new WebSocketConnection(new ConnectionSetup
            {
                Role = Role.Server,
                Options = new ConnectionOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan },
                Handler = handler,
                Deflate = deflate,
            });
            _running = new PipeCarrier(_in.Reader, _out.Writer, Connection, null).RunAsync();
        }

        public WebSocketConnection Connection { get; }

        public async Task RunAsync(int rounds)
        {
            for (int i = 0; i < rounds; i++)
            {
                _in.Writer.Write(_frames);
                ValueTask<FlushResult> flush = _in.Writer.FlushAsync(CancellationToken.None);
                if (_compressed)
                {
                    await ReadFrameAsync();
                }
                else
                {
                    await ReadAsync(_answer);
                }

                await flush;
            }
        }

        [System.Runtime.CompilerServices.AsyncMethodBuilder(typeof(System.Runtime.CompilerServices.PoolingAsyncValueTaskMethodBuilder))]
        public async ValueTask ReadAsync(int bytes)
        {
            while (bytes > 0)
            {
                ReadResult result = await _out.Reader.ReadAsync(CancellationToken.None);
                bytes -= (int)result.Buffer.Length;
                _out.Reader.AdvanceTo(result.Buffer.End);
            }
        }

        /// <summary>Reads one unmasked frame, however long it is.</summary>
        [System.Runtime.CompilerServices.AsyncMethodBuilder(typeof(System.Runtime.CompilerServices.PoolingAsyncValueTaskMethodBuilder))]
        public async ValueTask ReadFrameAsync()
        {
            while (true)
            {
                ReadResult result = await _out.Reader.ReadAsync(CancellationToken.None);
                if (LengthOf(result.Buffer) is { } length && result.Buffer.Length >= length)
                {
                    // Not by Assert.Equal, which allocates.
                    if (length != result.Buffer.Length)
                    {
                        throw new InvalidOperationException("There is more than one frame.");
                    }

                    _out.Reader.AdvanceTo(result.Buffer.End);
                    return;
                }

                _out.Reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            }
        }

        private static long? LengthOf(in ReadOnlySequence<byte> buffer)
        {
            Span<byte> head = stackalloc byte[10];
            head = head[..(int)Math.Min(head.Length, buffer.Length)];
            buffer.Slice(0, head.Length).CopyTo(head);
            return FrameHeader.TryRead(head, out FrameHeader frame, out int size) == OperationStatus.Done ? size + (long)frame.Length : null;
        }

        public async ValueTask DisposeAsync()
        {
            Connection.Abort();
            await _running.Soon();
        }
    }
}
