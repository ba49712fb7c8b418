using System.Buffers;
using System.IO.Pipelines;
using Duologue.Carriers;
using Duologue.Protocol;
using Duologue.Tests.Peer;
using Duologue.Tests.Protocol;

namespace Duologue.Tests.Carriers;

public sealed class PipeCarrierTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static WebSocketConnection Server() =>
        new(new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions() });

    [Fact]
    public async Task Takes_a_message_across_the_segments_of_a_pipe()
    {
        var input = new Pipe(new PipeOptions(minimumSegmentSize: 16, pauseWriterThreshold: 0));
        var output = new Pipe();
        WebSocketConnection connection = Server();
        Task running = new PipeCarrier(input.Reader, output.Writer, connection, null).RunAsync();
        byte[] data = new byte[10_000];
        new Random(1).NextBytes(data);
        byte[] frame = new WireFrame(WireFrame.Binary, data).Masked().ToBytes();
        foreach (byte[] part in frame.Chunk(7))
        {
            input.Writer.Write(part);
        }

        await input.Writer.FlushAsync(Token);
        Assert.Equal(data, (await connection.ReceiveAsync(Token).Soon()).ToArray());
        connection.Abort();
        await running.Soon();
    }

    [Fact]
    public async Task What_a_peer_sent_before_it_ended_is_all_taken_however_much_is_at_hand()
    {
        var input = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        byte[] data = new byte[500_000];
        new Random(1).NextBytes(data);
        await input.Writer.WriteAsync(new WireFrame(WireFrame.Binary, data).Masked().ToBytes(), Token);
        await input.Writer.CompleteAsync();
        WebSocketConnection connection = Server();
        Task running = new PipeCarrier(input.Reader, new Pipe().Writer, connection, null).RunAsync();
        Assert.Equal(data, (await connection.ReceiveAsync(Token).Soon()).ToArray());
        connection.Abort();
        await running.Soon();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1_000)]
    public async Task A_peer_that_never_pauses_does_not_keep_the_thread(int size)
    {
        var input = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        var output = new Pipe();
        byte[] frame = new WireFrame(WireFrame.Binary, new byte[size]).Masked().ToBytes();
        int count = 500_000 / frame.Length;
        for (int i = 0; i < count; i++)
        {
            input.Writer.Write(frame);
        }

        await input.Writer.FlushAsync(Token);
        var courtesy = new CourtesyCount();
        await courtesy.AssertGivesThreadBackAsync(() => new PipeCarrier(input.Reader, output.Writer, courtesy.Connection, null).RunAsync(), count);
    }

    [Fact]
    public async Task Abort_kills_the_transport_below_and_ends_the_pump()
    {
        var input = new Pipe();
        var output = new Pipe();
        WebSocketConnection connection = Server();
        int killed = 0;
        Task running = new PipeCarrier(input.Reader, output.Writer, connection, () => killed++).RunAsync();
        connection.Abort();
        await running.Soon();
        Assert.Equal(1, killed);
    }

    [Theory]
    [InlineData(65_536)]
    [InlineData(10)]
    public async Task A_transport_that_takes_nothing_more_ends_the_connection(int threshold)
    {
        var input = new Pipe();
        var output = new Pipe(new PipeOptions(pauseWriterThreshold: threshold, resumeWriterThreshold: threshold / 2));
        WebSocketConnection connection = Server();
        Task running = new PipeCarrier(input.Reader, output.Writer, connection, null).RunAsync();
        await output.Reader.CompleteAsync();
        connection.Send(new byte[100], MessageType.Binary);
        Assert.Equal(CloseCause.ConnectionLost, (await connection.Closed.Soon()).Cause);
        await running.Soon();
    }

    [Fact]
    public async Task Abort_frees_a_pending_flush()
    {
        var input = new Pipe();
        var output = new Pipe(new PipeOptions(pauseWriterThreshold: 10, resumeWriterThreshold: 5));
        WebSocketConnection connection = Server();
        Task running = new PipeCarrier(input.Reader, output.Writer, connection, null).RunAsync();
        Task sending = connection.SendAsync(new byte[100], MessageType.Binary, Token).AsTask();
        connection.Abort();
        await Assert.ThrowsAsync<ConnectionClosedException>(() => sending.Soon());
        await running.Soon();
    }

    [Fact]
    public async Task A_flush_that_fails_after_the_pump_has_ended_does_not_bring_the_process_down()
    {
        // The writer of a stream gives its token source back when it is completed.
        var input = new Pipe();
        PipeWriter output = PipeWriter.Create(new MemoryStream());
        var connection = Server();
        var carrier = new PipeCarrier(input.Reader, output, connection, null);
        Task running = carrier.RunAsync();
        await connection.SendAsync("x", Token).Soon();
        await input.Writer.CompleteAsync(new IOException("reset"));
        await running.Soon();

        // What the connection does when it learns so late that the flush has failed.
        carrier.Abort();
    }

    [Fact]
    public async Task The_memory_of_a_flush_that_was_under_way_was_given_back_and_the_flushs_end_brought_the_process_down()
    {
        var input = new Pipe();
        using var stream = new StuckStream();
        WebSocketConnection connection = Server();
        Task running = new PipeCarrier(input.Reader, PipeWriter.Create(stream), connection, null) { WritesStream = true }.RunAsync();
        connection.Send(new byte[1000], MessageType.Binary);
        await Waiting.Until(() => stream.Writes == 1);

        await input.Writer.CompleteAsync(new IOException("the stream was reset"));
        await running.Soon();

        Assert.Equal(0, stream.Writes);
        Assert.Equal(CloseCause.ConnectionLost, (await connection.Closed.Soon()).Cause);
    }

    [Fact]
    public async Task A_transport_that_fails_ends_the_connection_without_an_exception()
    {
        var input = new Pipe();
        var output = new Pipe();
        WebSocketConnection connection = Server();
        Task running = new PipeCarrier(input.Reader, output.Writer, connection, null).RunAsync();
        await input.Writer.CompleteAsync(new IOException("reset"));
        await running.Soon();
        Assert.Equal(CloseCause.ConnectionLost, (await connection.Closed.Soon()).Cause);
    }

    [Fact]
    public async Task A_foreign_exception_in_the_pump_ends_the_connection_and_completes_both_directions()
    {
        var input = new Pipe();
        var output = new Pipe();
        var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions(), Observer = new Throwing() });
        Task running = new PipeCarrier(input.Reader, output.Writer, connection, null).RunAsync();
        await input.Writer.WriteAsync(WireFrame.OfText("x"u8).Masked().ToBytes(), Token);

        await Assert.ThrowsAsync<InvalidTimeZoneException>(() => running.Soon());

        Assert.Equal(CloseCause.ConnectionLost, (await connection.Closed.Soon()).Cause);
        Assert.True((await output.Reader.ReadAsync(Token).AsTask().Soon()).IsCompleted);
    }

    /// <summary>What nobody expects of an observer: it throws.</summary>
    private sealed class Throwing : ConnectionObserver
    {
        public override void MessageReceived(WebSocketConnection connection, int bytes) => throw new InvalidTimeZoneException();
    }

    [Fact]
    public async Task An_ended_connection_does_not_start()
    {
        WebSocketConnection connection = Server();
        connection.Abort();
        await new PipeCarrier(new Pipe().Reader, new Pipe().Writer, connection, null).RunAsync().Soon();
        Assert.Equal(CloseCause.Aborted, (await connection.Closed.Soon()).Cause);
    }

    /// <summary>Takes nothing: a write ends when it is cancelled.</summary>
    private sealed class StuckStream : MemoryStream
    {
        private int _writes;

        /// <summary>How many are under way.</summary>
        public int Writes => Volatile.Read(ref _writes);

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _writes);
            try
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }
            finally
            {
                Interlocked.Decrement(ref _writes);
            }
        }
    }
}
