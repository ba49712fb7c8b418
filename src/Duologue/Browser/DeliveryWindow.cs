namespace Duologue.Browser;

/// <summary>
/// Bounds the received messages that wait for their event task: past the bound the engine is told to wait, and with it,
/// by TCP, the peer. One producer, one consumer.
/// </summary>
internal sealed class DeliveryWindow
{
    // Enough that small messages never wait for a thread switch each.
    private const long Limit = 256 * 1024;

    // What an event costs besides its data: empty messages must not pile up either.
    private const long Overhead = 128;

    private readonly Lock _gate = new();
    private long _waiting;
    private TaskCompletionSource? _room;

    /// <summary>A message of so many bytes was posted. Completes when there is room for the next.</summary>
    public ValueTask PostedAsync(int bytes)
    {
        lock (_gate)
        {
            _waiting += bytes + Overhead;
            if (_waiting <= Limit)
            {
                return default;
            }

            // The engine goes on elsewhere than on the thread of the listeners.
            _room = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(_room.Task);
        }
    }

    /// <summary>The task of a message of so many bytes has run.</summary>
    public void Delivered(int bytes)
    {
        TaskCompletionSource? room = null;
        lock (_gate)
        {
            _waiting -= bytes + Overhead;
            if (_waiting <= Limit)
            {
                (room, _room) = (_room, null);
            }
        }

        room?.SetResult();
    }
}
