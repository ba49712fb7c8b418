namespace Duologue.Browser;

/// <summary>
/// The listeners of one <see cref="WebSocket"/>, in order of registration, each at most once per type. An On… handler
/// is a listener whose place is that of its first setting. Safe from any thread. Source: WHATWG DOM §2.7, HTML §8.1.8.1.
/// </summary>
internal sealed class EventListeners
{
    private readonly Lock _gate = new();

    // Replaced as a whole at each change, so that a dispatch under way goes on over the list it began with.
    private Listener[] _listeners = [];
    private long _lastAddedAt;

    /// <summary>When a listener was last added, as <see cref="Environment.TickCount64"/>; 0 before the first.</summary>
    public long LastAddedAt => Volatile.Read(ref _lastAddedAt);

    public bool HasAny(string type) => Array.Exists(Volatile.Read(ref _listeners), l => l.Type == type);

    public void Add(string type, Delegate callback, bool once)
    {
        lock (_gate)
        {
            Volatile.Write(ref _lastAddedAt, Environment.TickCount64);
            if (!_listeners.Any(l => !l.IsHandler && l.Type == type && l.Callback == callback))
            {
                _listeners = [.. _listeners, new Listener(type, isHandler: false, once) { Callback = callback }];
            }
        }
    }

    public void Remove(string type, Delegate callback)
    {
        lock (_gate)
        {
            RemoveWhere(l => !l.IsHandler && l.Type == type && l.Callback == callback);
        }
    }

    public Delegate? GetHandler(string type)
    {
        lock (_gate)
        {
            return Array.Find(_listeners, l => l.IsHandler && l.Type == type)?.Callback;
        }
    }

    public void SetHandler(string type, Delegate? handler)
    {
        lock (_gate)
        {
            Volatile.Write(ref _lastAddedAt, Environment.TickCount64);
            Listener? existing = Array.Find(_listeners, l => l.IsHandler && l.Type == type);
            if (handler is null)
            {
                RemoveWhere(l => l == existing);
            }
            else if (existing is not null)
            {
                existing.Callback = handler;
            }
            else
            {
                _listeners = [.. _listeners, new Listener(type, isHandler: true, once: false) { Callback = handler }];
            }
        }
    }

    /// <summary>Calls each listener in turn. What one throws goes to the reporter and stops nothing.</summary>
    public void Dispatch(Event e, Action<Exception> report)
    {
        foreach (Listener listener in Volatile.Read(ref _listeners))
        {
            // One removed by a listener before it is not called any more; one added meanwhile waits for the next event.
            if (listener.Type != e.Type || listener.Removed)
            {
                continue;
            }

            if (listener.Once)
            {
                lock (_gate)
                {
                    RemoveWhere(l => l == listener);
                }
            }

            try
            {
                listener.Call(e);
            }
#pragma warning disable CA1031 // The listener is a stranger's code: whatever it throws is reported, and the others still run.
            catch (Exception error)
#pragma warning restore CA1031
            {
                report(error);
            }
        }
    }

    private void RemoveWhere(Predicate<Listener> match)
    {
        foreach (Listener listener in Array.FindAll(_listeners, match))
        {
            listener.Removed = true;
        }

        _listeners = Array.FindAll(_listeners, static l => !l.Removed);
    }

    private sealed class Listener(string type, bool isHandler, bool once)
    {
        public string Type { get; } = type;

        public bool IsHandler { get; } = isHandler;

        public bool Once { get; } = once;

        public required Delegate Callback { get; set; }

        public bool Removed { get; set; }

        public void Call(Event e)
        {
            switch (Callback)
            {
                case Action<Event> any:
                    any(e);
                    break;
                case Action<MessageEvent> message:
                    message((MessageEvent)e);
                    break;
                default:
                    ((Action<CloseEvent>)Callback)((CloseEvent)e);
                    break;
            }
        }
    }
}
