using System.Threading.Tasks.Sources;

namespace Duologue.Carriers;

/// <summary>
/// Where a carrier's pump waits while the connection takes no bytes. Opening it when nobody waits is remembered once.
/// One waiter; any thread may open.
/// </summary>
internal sealed class ReadGate : IValueTaskSource
{
    private readonly Lock _lock = new();
    private ManualResetValueTaskSourceCore<bool> _core = new() { RunContinuationsAsynchronously = true };
    private bool _waiting;
    private bool _open;

    public void Open()
    {
        lock (_lock)
        {
            if (!_waiting)
            {
                _open = true;
                return;
            }

            _waiting = false;
        }

        _core.SetResult(true);
    }

    public ValueTask WaitAsync()
    {
        lock (_lock)
        {
            if (_open)
            {
                _open = false;
                return default;
            }

            _waiting = true;
            _core.Reset();
            return new ValueTask(this, _core.Version);
        }
    }

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
