using System.Net;

namespace Duologue;

/// <summary>The root of what Duologue throws for what happens on the wire.</summary>
/// <remarks>
/// <code language="text">
/// DuologueException
///   HandshakeException            no conversation came about
///   ConnectionClosedException     the conversation has ended
///     ProtocolViolationException  because the peer broke a rule
///   DomException                  the browser's interface was used wrongly
/// </code>
/// </remarks>
public abstract class DuologueException : Exception
{
    private protected DuologueException(string message, Exception? inner)
        : base(message, inner)
    {
    }
}

/// <summary>The opening handshake failed: no connection was made.</summary>
public sealed class HandshakeException : DuologueException
{
    internal HandshakeException(string message, Exception? inner)
        : base(message, inner)
    {
    }

    /// <summary>The HTTP status that the server, or a proxy on the way, answered; null if there was no answer.</summary>
    public HttpStatusCode? StatusCode { get; init; }

    /// <summary>The headers of the server's answer; empty if there was none. Names compare without case.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Headers { get; init; } =
        System.Collections.Frozen.FrozenDictionary<string, IReadOnlyList<string>>.Empty;

    /// <summary>What it is counted as.</summary>
    internal Client.ConnectFailure Failure { get; init; }

    /// <summary>At most the first 1,024 bytes of the answer's body, as text.</summary>
    public string Body { get; init; } = "";
}

/// <summary>The connection has ended, so the operation cannot be done.</summary>
public class ConnectionClosedException : DuologueException
{
    internal ConnectionClosedException(string message, CloseInfo closeInfo, Exception? inner)
        : base(message, inner)
    {
        CloseInfo = closeInfo;
    }

    /// <summary>How the connection ended.</summary>
    public CloseInfo CloseInfo { get; }

    /// <summary>Whether of the message that was to be sent nothing has left, so that it cannot have arrived. Otherwise it may have.</summary>
    internal bool IsUnsent { get; init; }
}

/// <summary>The connection has ended because the peer broke the protocol.</summary>
public sealed class ProtocolViolationException : ConnectionClosedException
{
    internal ProtocolViolationException(string message, ProtocolViolation violation, CloseInfo closeInfo)
        : base(message, closeInfo, null)
    {
        Violation = violation;
    }

    /// <summary>The rule that was broken.</summary>
    public ProtocolViolation Violation { get; }
}
