using Duologue.Fuzz.Wire;

namespace Duologue.Fuzz.Targets;

/// <summary>What an application may do with a connection: receive by push or by pull, whole or piecewise, answer, take its time, close.</summary>
internal sealed class PeerApplication(PeerFlags flags) : IMessageHandler
{
    /// <summary>Stands for a message of which the rest was left unread.</summary>
    public const string Skipped = "skipped";

    private const int EarlyEnd = 3;

    private readonly List<Task> _sends = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _pending;
    private volatile bool _hurries;
    private int _calls;

    /// <summary>The messages that came whole, as text.</summary>
    public List<string> Received { get; } = [];

    public int Opens { get; private set; }

    public int Ends { get; private set; }

    /// <summary>Completes when it has been told of the end.</summary>
    public Task Ended => _ended.Task;

    public bool Overlapped { get; private set; }

    public static string Describe(StreamEvent e) => Describe(e.Opcode, e.Data);

    public ValueTask OnOpenAsync(Connection connection)
    {
        Opens++;
        return default;
    }

    public async ValueTask OnMessageAsync(Connection connection, Message message)
    {
        Enter();
        try
        {
            Received.Add(Describe((int)message.Type, message.Data.Span));
            if (flags.HasFlag(PeerFlags.Pends) && Received.Count % 2 == 1)
            {
                var pending = new TaskCompletionSource();
                _pending = pending;
                if (_hurries)
                {
                    CompletePending();
                }

                await pending.Task;
            }

            Answer(connection, message.Data, message.Type);
        }
        finally
        {
            Leave();
        }
    }

    public ValueTask OnCloseAsync(Connection connection, CloseInfo info)
    {
        Enter();
        Ends++;
        Leave();
        _ended.TrySetResult();
        return default;
    }

    /// <summary>Receives by pull until the end.</summary>
    public async Task ReceiveAllAsync(Connection connection)
    {
        try
        {
            while (flags.HasFlag(PeerFlags.Pends))
            {
                if (!await ReadPiecewiseAsync(connection))
                {
                    return;
                }
            }

            await foreach (Message message in connection.ReadAllAsync().ConfigureAwait(false))
            {
                Received.Add(Describe((int)message.Type, message.Data.Span));
                Answer(connection, message.Data, message.Type);
            }
        }
        catch (ConnectionClosedException)
        {
            // How a receiver learns of an end that was not clean.
        }
    }

    /// <summary>Lets a handler call that takes its time come to its end.</summary>
    public void CompletePending() => Interlocked.Exchange(ref _pending, null)?.TrySetResult();

    /// <summary>From now on no handler call takes its time.</summary>
    public void Hurry()
    {
        _hurries = true;
        CompletePending();
    }

    /// <summary>Something was asked of the connection that must come to an end with it.</summary>
    public void Track(Task task)
    {
        lock (_sends)
        {
            _sends.Add(task);
        }
    }

    /// <summary>Completes when all that was asked has come to its end, by success, cancellation or the connection's end.</summary>
    public async Task SendsAsync()
    {
        Task[] sends;
        lock (_sends)
        {
            sends = [.. _sends];
        }

        foreach (Task send in sends)
        {
            try
            {
                await send;
            }
            catch (Exception e) when (e is ConnectionClosedException or OperationCanceledException)
            {
                // What the contract allows; anything else is a finding.
            }
        }
    }

    private async Task<bool> ReadPiecewiseAsync(Connection connection)
    {
        MessageStream? stream = await connection.OpenReadAsync(CancellationToken.None).ConfigureAwait(false);
        if (stream is null)
        {
            return false;
        }

        await using (stream.ConfigureAwait(false))
        {
            var data = new List<byte>();
            byte[] buffer = new byte[7];
            while (true)
            {
                int count = await stream.ReadAsync(buffer.AsMemory()).ConfigureAwait(false);
                if (count == 0)
                {
                    break;
                }

                data.AddRange(buffer.AsSpan(0, count));
                if (data.Count > 500 && flags.HasFlag(PeerFlags.ClosesEarly))
                {
                    Received.Add(Skipped);
                    return true;
                }
            }

            Received.Add(Describe((int)stream.Type, [.. data]));
            Answer(connection, data.ToArray(), stream.Type);
            return true;
        }
    }

    private void Answer(Connection connection, ReadOnlyMemory<byte> data, MessageType type)
    {
        if (flags.HasFlag(PeerFlags.Echoes))
        {
            connection.Send(data.Span, type);
        }

        if (flags.HasFlag(PeerFlags.ClosesEarly) && Received.Count == EarlyEnd)
        {
            Track(connection.CloseAsync(1000, "that was all").AsTask());
        }
    }

    private static string Describe(int opcode, ReadOnlySpan<byte> data) => $"{opcode} {Convert.ToHexString(data)}";

    private void Enter() => Overlapped |= Interlocked.Increment(ref _calls) != 1;

    private void Leave() => Interlocked.Decrement(ref _calls);
}
