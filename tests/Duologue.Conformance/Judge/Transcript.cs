using System.Diagnostics;
using System.Globalization;

namespace Duologue.Conformance.Judge;

/// <summary>A message as it came back. <see cref="Bytes"/> are compressed still if <see cref="Compressed"/>.</summary>
internal sealed record Received(bool IsText, bool Compressed, byte[] Bytes);

/// <summary>All that the judged peer said, in order, and how its stream ended. One writer; waiting is safe from another thread.</summary>
internal sealed class Transcript
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public List<Received> Messages { get; } = [];

    public List<byte[]> Pongs { get; } = [];

    public List<byte[]> Pings { get; } = [];

    /// <summary>How many pongs had come before each message.</summary>
    public List<int> PongsBefore { get; } = [];

    public List<uint> MaskKeys { get; } = [];

    /// <summary>The Close frame; 1005 for an empty one.</summary>
    public (int Code, string Reason)? Close { get; private set; }

    /// <summary>When the Close came.</summary>
    public long ClosedAt { get; private set; }

    /// <summary>The first thing that no peer may say, with its section.</summary>
    public string? Fault { get; private set; }

    /// <summary>How the stream ended; null while it goes on.</summary>
    public Ending? Ending { get; private set; }

    public int MessageCount { get; private set; }

    public int PongCount { get; private set; }

    public void AddMessage(Received message) => Change(() =>
    {
        Messages.Add(message);
        PongsBefore.Add(Pongs.Count);
        MessageCount++;
    });

    /// <summary>Gives the messages that have come and forgets them, so that a long run keeps none.</summary>
    public Received[] TakeMessages()
    {
        lock (_lock)
        {
            Received[] taken = [.. Messages];
            Messages.Clear();
            PongsBefore.Clear();
            MaskKeys.Clear();
            MessageCount = 0;
            return taken;
        }
    }

    public void AddPong(byte[] payload) => Change(() =>
    {
        Pongs.Add(payload);
        PongCount++;
    });

    public void AddPing(byte[] payload) => Change(() => Pings.Add(payload));

    public void SetClose(int code, string reason) => Change(() =>
    {
        Close = (code, reason);
        ClosedAt = Stopwatch.GetTimestamp();
    });

    public void Fail(string section, string what) => Change(() => Fault ??= $"sent {what} ({section})");

    public void End(Ending ending) => Change(() => Ending = ending);

    /// <summary>Waits until something holds; false if the peer's stream ended, it was at fault, or time ran out, before.</summary>
    public async Task<bool> WaitAsync(Func<Transcript, bool> condition, CancellationToken patience)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (condition(this))
                {
                    return true;
                }

                if (Ending is not null || Fault is not null || patience.IsCancellationRequested)
                {
                    return false;
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Messages.Count} messages, {Pongs.Count} pongs, {(Close is { } close ? $"close {close.Code} \"{close.Reason}\"" : "no close")}, {Ending?.ToString() ?? "no end"}{(Fault is null ? "" : ", " + Fault)}");

    private void Change(Action change)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            change();
            (changed, _changed) = (_changed, new(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        changed.SetResult();
    }
}
