using Duologue.Browser;

namespace Duologue.Tests.Browser;

/// <summary>Writes down what a WebSocket fires, and lets a test wait for it.</summary>
internal sealed class EventLog
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Lock _gate = new();
    private readonly List<string> _entries = [];
    private readonly List<object> _data = [];
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<CloseEvent> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<(int Count, TaskCompletionSource Source)> _waits = [];

    public EventLog(WebSocket socket)
    {
        socket.AddEventListener("open", e =>
        {
            Write($"open {socket.ReadyState}");
            _opened.SetResult();
        });
        socket.AddEventListener("message", e =>
        {
            lock (_gate)
            {
                _data.Add(e.Data);
                foreach ((int count, TaskCompletionSource source) in _waits)
                {
                    if (_data.Count >= count)
                    {
                        source.TrySetResult();
                    }
                }
            }

            Write($"message {(e.Data is string text ? text : e.Data.GetType().Name)}");
        });
        socket.AddEventListener("error", e =>
        {
            Assert.Equal(typeof(Event), e.GetType());
            Write($"error {socket.ReadyState}");
        });
        socket.AddEventListener("close", e =>
        {
            Write($"close {socket.ReadyState} {e.Code} '{e.Reason}' {(e.WasClean ? "clean" : "unclean")}");
            _closed.SetResult(e);
        });
    }

    /// <summary>One line per event, with the state that its listener saw.</summary>
    public IReadOnlyList<string> Entries
    {
        get
        {
            lock (_gate)
            {
                return [.. _entries];
            }
        }
    }

    public IReadOnlyList<object> Data
    {
        get
        {
            lock (_gate)
            {
                return [.. _data];
            }
        }
    }

    public Task Opened => _opened.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);

    public Task<CloseEvent> Closed => _closed.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);

    public Task Messages(int count)
    {
        var source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _waits.Add((count, source));
            if (_data.Count >= count)
            {
                source.TrySetResult();
            }
        }

        return source.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
    }

    public void Write(string entry)
    {
        lock (_gate)
        {
            _entries.Add(entry);
        }
    }
}
