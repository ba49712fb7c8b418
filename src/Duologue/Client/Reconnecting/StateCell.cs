namespace Duologue.Client;

/// <summary>A client's state, and the telling of it: one at a time, in order, with no lock held.</summary>
internal sealed class StateCell(Action<ClientStateEventArgs> tell)
{
    private readonly Lock _lock = new();
    private readonly Queue<ClientStateEventArgs> _untold = new();
    private ClientState _state;
    private bool _telling;

    public ClientState State
    {
        get
        {
            lock (_lock)
            {
                return _state;
            }
        }
    }

    /// <summary>Changes the state, if it is another one and the client has not ended.</summary>
    public void Set(ClientStateEventArgs change)
    {
        lock (_lock)
        {
            if (_state == ClientState.Ended || (_state == change.State && change.State != ClientState.Waiting))
            {
                return;
            }

            _state = change.State;
            _untold.Enqueue(change);
            if (_telling)
            {
                return;
            }

            _telling = true;
        }

        while (true)
        {
            ClientStateEventArgs? next;
            lock (_lock)
            {
                if (!_untold.TryDequeue(out next))
                {
                    _telling = false;
                    return;
                }
            }

            tell(next);
        }
    }
}
