using System.Buffers;
using Duologue.Carriers;
using Duologue.Protocol;

namespace Duologue.AspNetCore.Tests.Pubsub;

public class FanoutTests
{
    [Fact]
    public async Task A_receiver_without_memory_keeps_no_other_from_its_frame()
    {
        var first = new Wire();
        var poor = new Wire { IsPoor = true };
        var last = new Wire();
        WebSocketConnection[] connections = [Open(first), Open(poor), Open(last)];

        Assert.Throws<InsufficientMemoryException>(() => Fanout.Send(connections, Fanout.Encode("news", default)));

        Assert.Equal(2 + "news".Length, first.Flushed);
        Assert.Equal(first.Flushed, last.Flushed);
        Assert.Equal((0, true), (poor.Flushed, poor.IsAborted));
        Assert.Equal(CloseCause.Aborted, (await connections[1].Closed).Cause);
        Assert.Equal(SendResult.Sent, connections[0].Send("more"));
    }

    [Fact]
    public void All_receivers_are_counted_whether_they_are_alike_or_not()
    {
        var counted = new Counting();
        WebSocketConnection[] connections =
        [
            Open(new Wire { TakesAtOnce = true }, counted), Open(new Wire(), counted), Open(new Wire { TakesAtOnce = true }, counted),
            Open(new Wire { TakesAtOnce = true }, counted), Open(new Wire { TakesAtOnce = true }, ConnectionObserver.None),
        ];
        connections[3].Abort();

        FanoutResult result = Fanout.Send(connections, Fanout.Encode("news", default));

        Assert.Equal((4, 1), (result.Accepted, result.Dropped));
        Assert.Equal((3, 3 * "news".Length, 1), (counted.Sent, counted.Bytes, counted.Dropped));
    }

    [Fact]
    public void Whoever_takes_what_is_written_is_not_flushed()
    {
        var wire = new Wire { TakesAtOnce = true };

        Fanout.Send([Open(wire)], Fanout.Encode("news", default));

        Assert.Equal((2 + "news".Length, 0), (wire.Written, wire.Flushed));
    }

    private static WebSocketConnection Open(Wire wire) => Open(wire, ConnectionObserver.None);

    private static WebSocketConnection Open(Wire wire, ConnectionObserver observer)
    {
        var connection = new WebSocketConnection(
            new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan }, Observer = observer });
        connection.Start(wire);
        return connection;
    }

    private sealed class Counting : ConnectionObserver
    {
        public int Sent { get; private set; }

        public int Bytes { get; private set; }

        public int Dropped { get; private set; }

        public override void MessageSent(WebSocketConnection connection, int bytes)
        {
            Sent++;
            Bytes += bytes;
        }

        public override void MessagesDropped(WebSocketConnection connection, DropReason reason, int count) => Dropped += count;
    }

    /// <summary>Takes all, or has no memory for anything.</summary>
    private sealed class Wire : Carrier, IBufferWriter<byte>
    {
        private readonly ArrayBufferWriter<byte> _written = new();

        public bool IsPoor { get; init; }

        public bool TakesAtOnce { get; init; }

        public int Written => _written.WrittenCount;

        public int Flushed { get; private set; }

        public bool IsAborted { get; private set; }

        public override IBufferWriter<byte> Output => this;

        public void Advance(int count) => _written.Advance(count);

        public Memory<byte> GetMemory(int sizeHint = 0) => IsPoor ? throw new InsufficientMemoryException() : _written.GetMemory(sizeHint);

        public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        public override bool TryTake() => TakesAtOnce;

        public override ValueTask<bool> FlushAsync()
        {
            Flushed = _written.WrittenCount;
            return new(!IsAborted);
        }

        public override void ResumeReading()
        {
        }

        public override void Complete()
        {
        }

        public override void Abort() => IsAborted = true;
    }
}
