namespace Duologue.Browser;

/// <summary>Something that happened to a <see cref="WebSocket"/>; the base of all its events. Immutable.</summary>
public class Event
{
    internal Event(string type, WebSocket target)
    {
        Type = type;
        Target = target;
    }

    /// <summary>The name of the event: <c>open</c>, <c>message</c>, <c>error</c> or <c>close</c>.</summary>
    public string Type { get; }

    /// <summary>The <see cref="WebSocket"/> to which it happened.</summary>
    public WebSocket Target { get; }
}

/// <summary>A message arrived. Immutable, but an array in <see cref="Data"/> is shared by all listeners.</summary>
public sealed class MessageEvent : Event
{
    internal MessageEvent(WebSocket target, object data, string origin)
        : base(EventTypes.Message, target)
    {
        Data = data;
        Origin = origin;
    }

    /// <summary>
    /// A <see cref="string"/> for text; for a binary message a <see cref="Blob"/> or a <see cref="byte"/> array, by
    /// <see cref="WebSocket.BinaryType"/>. It belongs to the listeners and stays valid.
    /// </summary>
    public object Data { get; }

    /// <summary>The server's origin: <c>ws(s)://host[:port]</c>, the host in punycode, without a default port.</summary>
    public string Origin { get; }
}

/// <summary>The conversation ended, or never began. Immutable. Source: WHATWG WebSockets §6.</summary>
public sealed class CloseEvent : Event
{
    internal CloseEvent(WebSocket target, ushort code, string reason, bool wasClean)
        : base(EventTypes.Close, target)
    {
        Code = code;
        Reason = reason;
        WasClean = wasClean;
    }

    /// <summary>The code that the peer's Close frame carried; 1005 if it carried none, 1006 if there was no Close frame.</summary>
    public ushort Code { get; }

    /// <summary>The reason that the peer's Close frame carried; empty if none.</summary>
    public string Reason { get; }

    /// <summary>Whether both peers sent a Close frame.</summary>
    public bool WasClean { get; }
}

/// <summary>The names of the events that a <see cref="WebSocket"/> fires.</summary>
internal static class EventTypes
{
    public const string Open = "open";
    public const string Message = "message";
    public const string Error = "error";
    public const string Close = "close";
}
