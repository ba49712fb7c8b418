using System.Buffers;
using System.Runtime.ExceptionServices;
using Duologue.AspNetCore.Tests.Support;
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

        (FanoutResult result, ExceptionDispatchInfo? failure) = Settle(Fanout.Accept(connections, frames));

        byte[] all = [0x81, 1, (byte)'a', 0x81, 2, (byte)'b', (byte)'c', 0x81, 3, (byte)'d', (byte)'e', (byte)'f'];
        Assert.All(wires[..3], wire => Assert.Equal((Convert.ToHexString(all), takesAtOnce ? 0 : all.Length), (wire.Hex, wire.Flushed)));
        Assert.Equal([1, 1], wires[..2].Select(wire => wire.Writes));
        Assert.Equal((4, 3), (result.Accepted, result.Dropped));
        Assert.IsType<InsufficientMemoryException>(failure?.SourceException);
        Assert.Equal((true, CloseCause.Aborted), (wires[4].IsAborted, (await connections[4].Closed).Cause));

        // Two receivers and the slow one, with what it had before.
        Assert.Equal((3 * 3 + 1, 3 * 6 + "before".Length), (counted.Sent, counted.Bytes));
        wires[3].Go();
        Assert.EndsWith(Convert.ToHexString(all), wires[3].Hex, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_came_behind_a_message_that_there_was_no_room_for_overtook_the_close_that_tells_of_it(bool together)
    {
        var counted = new Counting();
        var wire = new Wire { IsSlow = true };
        WebSocketConnection connection = Open(wire, counted, queueLimit: 64);
        connection.Send("before");
        BroadcastFrame[] frames = [Fanout.Encode(new string('x', 100), default), Fanout.Encode("small", default)];

        // As one page, or of two publishers, the second of whom comes before the first has closed.
        Fanout.Accepted[] accepted = together ? [Fanout.Accept([connection], frames)] : [Fanout.Accept([connection], frames[0]), Fanout.Accept([connection], frames[1])];
        (FanoutResult Result, ExceptionDispatchInfo? Failure)[] settled = [.. accepted.Select(Settle)];
        SendResult later = connection.Send("later");
        wire.Go();

        Assert.Equal((0, 2), (settled.Sum(one => one.Result.Accepted), settled.Sum(one => one.Result.Dropped)));
        Assert.Equal(SendResult.Dropped, later);
        Assert.Equal((DropReason[])[DropReason.QueueFull, DropReason.Closed, DropReason.Closed], counted.Reasons);
        await Eventually.True(() => wire.Hex.Contains(Convert.ToHexString("(SendQueueLimit)"u8), StringComparison.Ordinal));
        Assert.Equal("8106" + Convert.ToHexString("before"u8) + "88", wire.Hex[..18]);
        connection.Abort();
    }

    [Fact]
    public async Task A_connection_whose_queue_overflowed_is_closed_whatever_throws_where_that_is_counted()
    {
        var wire = new Wire { IsSlow = true };
        WebSocketConnection connection = Open(wire, new Failing(), queueLimit: 64);
        connection.Send("before");

        (FanoutResult result, ExceptionDispatchInfo? failure) = Settle(Fanout.Accept([connection], Fanout.Encode(new string('x', 100), default)));
        wire.Go();

        Assert.Equal((0, 1), (result.Accepted, result.Dropped));
        Assert.IsType<InvalidOperationException>(failure?.SourceException);
        await Eventually.True(() => wire.Hex.Contains(Convert.ToHexString("(SendQueueLimit)"u8), StringComparison.Ordinal));
        connection.Abort();
    }

    [Fact]
    public void A_page_for_many_took_memory_for_each_of_its_messages()
    {
        const int Receivers = 2_000;
        WebSocketConnection[] connections = [.. Enumerable.Range(0, Receivers).Select(i => Open(new Wire { TakesAtOnce = true }, i % 2 == 0 ? new Counting() : ConnectionObserver.None))];
        BroadcastFrame[] frames = [.. Enumerable.Repeat(Fanout.Encode("x", default), Topic.MaxTogether)];

        long before = GC.GetAllocatedBytesForCurrentThread();
        Fanout.Accepted accepted = Fanout.Accept(connections, frames);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(Receivers, Settle(accepted).Result.Accepted);
        Assert.InRange(allocated, 0, Receivers * Topic.MaxTogether);
    }

    [Fact]
    public void Receivers_that_are_counted_apart_are_given_a_page_in_one_step_too()
    {
        Counting[] counted = [new(), new()];
        Wire[] wires = [new() { TakesAtOnce = true }, new() { TakesAtOnce = true }, new()];
        WebSocketConnection[] connections = [Open(wires[0], counted[0]), Open(wires[1], counted[1]), Open(wires[2], counted[1])];

        (FanoutResult result, _) = Settle(Fanout.Accept(connections, Fanout.Encode("a", default), Fanout.Encode("bc", default)));

        Assert.Equal((3, 0), (result.Accepted, result.Dropped));
        Assert.All(wires, wire => Assert.Equal((1, "8101618102" + "6263"), (wire.Writes, wire.Hex)));
        Assert.Equal([(2, 3), (4, 6)], counted.Select(one => (one.Sent, one.Bytes)));
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

    private static WebSocketConnection Open(Wire wire, ConnectionObserver observer) => Open(wire, observer, 1024 * 1024);

    private static WebSocketConnection Open(Wire wire, ConnectionObserver observer, int queueLimit)
    {
        var connection = new WebSocketConnection(
            new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan, SendQueueLimit = queueLimit }, Observer = observer });
        connection.Start(wire);
        return connection;
    }

    private sealed class Counting : ConnectionObserver
    {
        public int Sent { get; private set; }

        public int Bytes { get; private set; }

        public int Dropped => Reasons.Count;

        public List<DropReason> Reasons { get; } = [];

        public override void MessageSent(WebSocketConnection connection, int bytes)
        {
            Sent++;
            Bytes += bytes;
        }

        public override void MessagesDropped(WebSocketConnection connection, DropReason reason, int count) => Reasons.AddRange(Enumerable.Repeat(reason, count));
    }

    private sealed class Failing : ConnectionObserver
    {
        public override void MessagesDropped(WebSocketConnection connection, DropReason reason, int count) => throw new InvalidOperationException("The listener's fault.");
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
        private readonly ArrayBufferWriter<byte> _written = new(1024);
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
