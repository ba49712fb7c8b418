using System.Buffers;
using System.Runtime.ExceptionServices;
using Duologue.Carriers;
using Duologue.Peer;
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

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Messages_that_came_together_are_written_in_one_step_in_their_order_or_wait_one_by_one(bool takesAtOnce)
    {
        var counted = new Counting();
        Wire[] wires = [new() { TakesAtOnce = takesAtOnce }, new() { TakesAtOnce = takesAtOnce }, new() { TakesAtOnce = takesAtOnce }, new() { IsSlow = true }, new() { IsPoor = true }];
        WebSocketConnection[] connections = [Open(wires[0], counted), Open(wires[1], counted), Open(wires[2], ConnectionObserver.None), Open(wires[3], counted), Open(wires[4], counted)];
        connections[3].Send("before");
        BroadcastFrame[] frames = [Fanout.Encode("a", default), Fanout.Encode("bc", default), Fanout.Encode("def", default)];

        (FanoutResult result, ExceptionDispatchInfo? failure) = Settle(Fanout.AcceptEach(connections, frames));

        byte[] all = [0x81, 1, (byte)'a', 0x81, 2, (byte)'b', (byte)'c', 0x81, 3, (byte)'d', (byte)'e', (byte)'f'];
        Assert.All(wires[..3], wire => Assert.Equal((Convert.ToHexString(all), takesAtOnce ? 0 : all.Length), (wire.Hex, wire.Flushed)));
        Assert.Equal([1, 1], wires[..2].Select(wire => wire.Writes));
        Assert.Equal((4, 1), (result.Accepted, result.Dropped));
        Assert.IsType<InsufficientMemoryException>(failure?.SourceException);
        Assert.Equal((true, CloseCause.Aborted), (wires[4].IsAborted, (await connections[4].Closed).Cause));

        // Two receivers and the slow one, with what it had before.
        Assert.Equal((3 * 3 + 1, 3 * 6 + "before".Length), (counted.Sent, counted.Bytes));
        wires[3].Go();
        Assert.EndsWith(Convert.ToHexString(all), wires[3].Hex, StringComparison.Ordinal);
    }

    [Fact]
    public void Whoever_sends_to_many_is_woken_once_for_some_of_them()
    {
        var sender = new Sender();
        Wire[] wires = [.. Enumerable.Range(0, 100).Select(_ => new Wire { Sender = sender })];

        Fanout.Send([.. wires.Select(Open)], Fanout.Encode("news", default));

        // Neither by each, nor only behind the last of very many.
        Assert.Equal((100, 4), (sender.Given, sender.Woken));
    }

    [Fact]
    public void Whoever_takes_what_is_written_is_not_flushed()
    {
        var wire = new Wire { TakesAtOnce = true };

        Fanout.Send([Open(wire)], Fanout.Encode("news", default));

        Assert.Equal((2 + "news".Length, 0), (wire.Written, wire.Flushed));
    }

    private static (FanoutResult Result, ExceptionDispatchInfo? Failure) Settle(Fanout.Accepted accepted)
    {
        ExceptionDispatchInfo? failure = null;
        accepted.Flush(ref failure);
        return (accepted.Report(ref failure), failure);
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

    /// <summary>The thread that sends what the wires take: asleep whenever it is given something.</summary>
    private sealed class Sender : ISleeper
    {
        private bool _isOwed;

        public int Given { get; private set; }

        public int Woken { get; private set; }

        public void Give()
        {
            Given++;
            if (!_isOwed)
            {
                Assert.True(HeldWakes.TryTake(this));
                _isOwed = true;
            }
        }

        public void Wake()
        {
            _isOwed = false;
            Woken++;
        }
    }

    /// <summary>Takes all, at once or only when it may go on, or has no memory for anything.</summary>
    private sealed class Wire : Carrier, IBufferWriter<byte>
    {
        private readonly ArrayBufferWriter<byte> _written = new();
        private readonly TaskCompletionSource<bool> _goOn = new();

        public Sender? Sender { get; init; }

        public bool IsPoor { get; init; }

        public bool IsSlow { get; init; }

        public int Writes { get; private set; }

        public string Hex => Convert.ToHexString(_written.WrittenSpan);

        public bool TakesAtOnce { get; init; }

        public int Written => _written.WrittenCount;

        public int Flushed { get; private set; }

        public bool IsAborted { get; private set; }

        public override IBufferWriter<byte> Output => this;

        public void Advance(int count)
        {
            _written.Advance(count);
            Writes++;
        }

        public void Go() => _goOn.SetResult(true);

        public Memory<byte> GetMemory(int sizeHint = 0) => IsPoor ? throw new InsufficientMemoryException() : _written.GetMemory(sizeHint);

        public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        public override bool TryTake() => TakesAtOnce;

        public override ValueTask<bool> FlushAsync()
        {
            Flushed = _written.WrittenCount;
            Sender?.Give();
            return IsSlow && !_goOn.Task.IsCompleted ? new(_goOn.Task) : new(!IsAborted);
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
