namespace Duologue;

/// <summary>What carries a conversation over HTTP.</summary>
public enum Transport
{
    /// <summary>A WebSocket: full duplex over one TCP connection or one HTTP/2 stream.</summary>
    WebSocket,
}
