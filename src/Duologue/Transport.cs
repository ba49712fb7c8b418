namespace Duologue;

/// <summary>What carries a conversation over HTTP.</summary>
public enum Transport
{
    /// <summary>A WebSocket: full duplex over one TCP connection or one HTTP/2 stream.</summary>
    WebSocket,

    /// <summary>A session over Engine.IO whose client asks, and is answered when there is news: few requests, and little delay.</summary>
    LongPolling,

    /// <summary>A session over Engine.IO whose client asks every few seconds, and is answered at once ("AJAX polling").</summary>
    Polling,
}
