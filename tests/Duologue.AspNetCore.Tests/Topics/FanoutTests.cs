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

    private static WebSocketConnection Open(Wire wire)
    {
        var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan } });
        connection.Start(wire);
        return connection;
    }

    /// <summary>Takes all, or has no memory for anything.</summary>
    private sealed class Wire : Carrier, IBufferWriter<byte>
    {
        private readonly ArrayBufferWriter<byte> _written = new();

        public bool IsPoor { get; init; }

        public int Flushed { get; private set; }

        public bool IsAborted { get; private set; }

        public override IBufferWriter<byte> Output => this;

        public void Advance(int count) => _written.Advance(count);

        public Memory<byte> GetMemory(int sizeHint = 0) => IsPoor ? throw new InsufficientMemoryException() : _written.GetMemory(sizeHint);

        public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

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
