namespace Duologue;

/// <summary>How things stand with a client that comes back.</summary>
public enum ClientState
{
    /// <summary>It has not been started.</summary>
    Idle,

    /// <summary>It connects.</summary>
    Connecting,

    /// <summary>The conversation is open.</summary>
    Open,

    /// <summary>It was cut, or could not connect, and waits to try again.</summary>
    Waiting,

    /// <summary>It is at its end, and does not come back: see <see cref="ClientStateEventArgs.Failure"/>.</summary>
    Ended,
}

/// <summary>What has become of a client.</summary>
public sealed class ClientStateEventArgs : EventArgs
{
    internal ClientStateEventArgs(ClientState state, CloseInfo? close, Exception? failure, int attempt, TimeSpan delay) =>
        (State, Close, Failure, Attempt, Delay) = (state, close, failure, attempt, delay);

    /// <summary>How things stand now.</summary>
    public ClientState State { get; }

    /// <summary>How the last conversation ended; null if it is not an end of one that brought this about.</summary>
    public CloseInfo? Close { get; }

    /// <summary>Why an attempt failed, or why the client has ended; null if neither is so, or if the application ended it.</summary>
    public Exception? Failure { get; }

    /// <summary>How many attempts have failed in a row.</summary>
    public int Attempt { get; }

    /// <summary>While <see cref="ClientState.Waiting"/>: how long until the next attempt.</summary>
    public TimeSpan Delay { get; }
}
