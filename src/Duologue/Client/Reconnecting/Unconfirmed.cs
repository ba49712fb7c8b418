namespace Duologue.Client;

/// <summary>
/// What has left on one connection and may not have arrived. A WebSocket message has no acknowledgement, but TCP keeps the order: what was sent before a ping has arrived when its pong has. So a ping
/// follows what was sent, at most one in a second.
/// </summary>
internal sealed class Unconfirmed(WebSocketConnection connection, TimeProvider time)
{
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private Sent _before;
    private Sent _behind;
    private Sent _brokenOff;
    private bool _isAsking;

    /// <summary>Something has left.</summary>
    public void Add(KeptMessage message)
    {
        lock (_lock)
        {
            _behind = _behind.With(message.Number, message.Data.Length);
            if (_isAsking)
            {
                return;
            }

            _isAsking = true;
        }

        _ = AskAsync();
    }

    /// <summary>Some of it may have left, and nothing is sent behind it. No pong and no Close says that all of it has arrived.</summary>
    public void BreakOff(KeptMessage message)
    {
        lock (_lock)
        {
            _brokenOff = _brokenOff.With(message.Number, message.Data.Length);
        }
    }

    /// <summary>What nobody knows of, when the connection has ended.</summary>
    /// <param name="isAnswered">The peer has answered a Close that came behind all that has left.</param>
    public Sent Take(bool isAnswered)
    {
        lock (_lock)
        {
            return isAnswered ? _brokenOff : _before.With(_behind).With(_brokenOff);
        }
    }

    // Ends with the connection.
    private async Task AskAsync()
    {
        try
        {
            while (true)
            {
                lock (_lock)
                {
                    if (_behind.Count == 0)
                    {
                        _isAsking = false;
                        return;
                    }

                    (_before, _behind) = (_behind, default);
                }

                await connection.PingAnewAsync().ConfigureAwait(false);
                lock (_lock)
                {
                    _before = default;
                }

                await Task.Delay(Rest, time, connection.Aborted).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is ConnectionClosedException or OperationCanceledException or NotSupportedException)
        {
            // What has not been confirmed by now stays so: as in a session, which a client cannot ping, all that has left.
        }
    }

    /// <summary>Some messages, in order.</summary>
    internal readonly record struct Sent(long First, long Last, int Count, long Bytes)
    {
        public Sent With(long number, int bytes) => new(Count == 0 ? number : First, number, Count + 1, Bytes + bytes);

        public Sent With(Sent later) => Count == 0 ? later : later.Count == 0 ? this : new(First, later.Last, Count + later.Count, Bytes + later.Bytes);
    }
}
