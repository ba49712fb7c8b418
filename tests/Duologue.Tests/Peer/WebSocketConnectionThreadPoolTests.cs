using System.Buffers;
using System.Buffers.Binary;
using Duologue.Carriers;
using Duologue.Protocol;

namespace Duologue.Tests.Peer;

/// <summary>A handler on the thread pool: the same order and the same bounds, off the carrier's thread.</summary>
public class WebSocketConnectionThreadPoolTests
{
    [Fact]
    public async Task A_batch_costs_one_hop_however_many_messages_it_has()
    {
        var handler = new Counting();
        (WebSocketConnection connection, _) = Open(handler);

        // Also that the call has ended: its thread would else take what comes behind it.
        await Waiting.Until(() => handler.IsOpen && !connection.IsHandling);
        byte[] frames = Frames(100, 20);
        Assert.Equal(frames.Length, connection.OnReceived(frames));
        Assert.Equal(0, handler.Count);
        connection.OnBatchEnd();
        await Waiting.Until(() => handler.Count == 100);
        Assert.Equal(1, handler.Hops);
        Assert.Null(handler.Fault);
        connection.Abort();
    }

    [Fact]
    public async Task The_carrier_is_held_back_while_the_handler_is_behind()
    {
        var handler = new Counting { IsBlocked = true };
        (WebSocketConnection connection, Wire wire) = Open(handler);
        await Waiting.Until(() => handler.IsOpen);
        byte[] frames = Frames(1000, 500);
        int taken = 0;
        int resumed = 0;
        while (wire.Resumed == resumed)
        {
            int more = connection.OnReceived(frames.AsSpan(taken));
            connection.OnBatchEnd();
            taken += more;
            if (more == 0)
            {
                // The first batch is at the handler, which stands; the rest of the read-ahead is full.
                break;
            }

            await Waiting.Until(() => handler.IsAtWork);
        }

        Assert.InRange(taken, 1, 3 * WebSocketConnection.ReadAhead);
        handler.GoOn();
        while (taken < frames.Length)
        {
            await Waiting.Until(() => wire.Resumed > resumed);
            resumed = wire.Resumed;
            taken += connection.OnReceived(frames.AsSpan(taken));
            connection.OnBatchEnd();
        }

        await Waiting.Until(() => handler.Count == 1000);
        Assert.Null(handler.Fault);
        connection.Abort();
    }

    [Fact]
    public async Task A_message_larger_than_the_read_ahead_arrives_behind_others()
    {
        var handler = new Counting();
        (WebSocketConnection connection, Wire wire) = Open(handler);
        byte[] frames = [.. Frames(1, 20), .. Frames(1, 500_000, first: 1), .. Frames(1, 20, first: 2)];
        int taken = connection.OnReceived(frames);
        connection.OnBatchEnd();
        for (int resumed = 0; taken < frames.Length;)
        {
            await Waiting.Until(() => wire.Resumed > resumed);
            resumed = wire.Resumed;
            taken += connection.OnReceived(frames.AsSpan(taken));
            connection.OnBatchEnd();
        }

        await Waiting.Until(() => handler.Count == 3);
        Assert.Null(handler.Fault);
        connection.Abort();
    }

    [Fact]
    public async Task The_end_is_told_after_all_that_arrived()
    {
        var handler = new Counting();
        (WebSocketConnection connection, _) = Open(handler);
        connection.OnReceived(Frames(50, 20));
        connection.OnBatchEnd();
        connection.OnEnd(null);
        await handler.Ended.Soon();
        Assert.Equal((50, null), (handler.Count, handler.Fault));
    }

    [Fact]
    public async Task Who_pulls_goes_on_on_the_pool()
    {
        (WebSocketConnection connection, _) = Open(null);
        Task<bool> onPool = ReceiveAsync(connection);
        var carrier = new Thread(() =>
        {
            connection.OnReceived(Frames(1, 20));
            connection.OnBatchEnd();
        });
        carrier.Start();
        Assert.True(await onPool.Soon());
        connection.Abort();

        static async Task<bool> ReceiveAsync(Connection connection)
        {
            await connection.ReceiveAsync();
            return Thread.CurrentThread.IsThreadPoolThread;
        }
    }

    private static (WebSocketConnection Connection, Wire Wire) Open(IMessageHandler? handler)
    {
        var wire = new Wire();
        var connection = new WebSocketConnection(new ConnectionSetup
        {
            Role = Role.Server,
            Options = new ConnectionOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan },
            Handler = handler,
            OnThreadPool = true,
        });
        connection.Start(wire);
        return (connection, wire);
    }

    /// <summary>Binary messages that begin with their numbers.</summary>
    private static byte[] Frames(int count, int size, int first = 0)
    {
        var all = new ArrayBufferWriter<byte>();
        byte[] payload = new byte[size];
        for (int i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(payload, first + i);
            FrameWriter.Write(all, Opcode.Binary, true, payload, Role.Client);
        }

        return all.WrittenSpan.ToArray();
    }

    /// <summary>Counts messages, and the hops that brought them: each begins without what the last one left in the context.</summary>
    private sealed class Counting : IMessageHandler
    {
        private readonly AsyncLocal<bool> _seen = new();
        private readonly TaskCompletionSource _goOn = new();
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _count;
        private int _calls;

        public bool IsBlocked { get; init; }

        public volatile bool IsOpen;

        public volatile bool IsAtWork;

        public string? Fault { get; private set; }

        public int Count => Volatile.Read(ref _count);

        public int Hops { get; private set; }

        public Task Ended => _ended.Task;

        public void GoOn() => _goOn.SetResult();

        public ValueTask OnOpenAsync(Connection connection)
        {
            IsOpen = true;
            return ValueTask.CompletedTask;
        }

        public ValueTask OnMessageAsync(Connection connection, Message message)
        {
            IsAtWork = true;
            if (!_seen.Value)
            {
                _seen.Value = true;
                Hops++;
            }

            if (Interlocked.Increment(ref _calls) != 1 || !IsOpen || !Thread.CurrentThread.IsThreadPoolThread)
            {
                Fault = "Two calls at once, one before the opening, or one on another thread.";
            }

            if (IsBlocked)
            {
                _goOn.Task.Wait(TimeSpan.FromSeconds(30));
            }

            if (BinaryPrimitives.ReadInt32LittleEndian(message.Data.Span) != _count)
            {
                Fault ??= $"Message {_count} was not the next.";
            }

            Interlocked.Decrement(ref _calls);
            Volatile.Write(ref _count, _count + 1);
            return ValueTask.CompletedTask;
        }

        public ValueTask OnCloseAsync(Connection connection, CloseInfo info)
        {
            _ended.SetResult();
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Wire : Carrier
    {
        private int _resumed;

        public int Resumed => Volatile.Read(ref _resumed);

        public override IBufferWriter<byte> Output { get; } = new ArrayBufferWriter<byte>();

        public override ValueTask<bool> FlushAsync() => new(true);

        public override void ResumeReading() => Interlocked.Increment(ref _resumed);

        public override void Complete()
        {
        }

        public override void Abort()
        {
        }
    }
}
