namespace Duologue.Protocol.Handshake;

/// <summary>Which rule of the opening handshake a request broke.</summary>
internal enum ServerHandshakeFailure
{
    None,
    Method,
    HttpVersion,
    NoUpgrade,
    Connection,
    Version,
    Key,
    Subprotocol,
    Extension,
}

/// <summary>The server's answer to an opening handshake.</summary>
internal readonly struct ServerHandshakeVerdict
{
    private ServerHandshakeVerdict(int statusCode, string? accept, string? subprotocol)
    {
        StatusCode = statusCode;
        Accept = accept;
        Subprotocol = subprotocol;
        Reason = "";
        Headers = [];
    }

    private ServerHandshakeVerdict(ServerHandshakeFailure failure, int statusCode, string reason, KeyValuePair<string, string>[] headers)
    {
        Failure = failure;
        StatusCode = statusCode;
        Reason = reason;
        Headers = headers;
    }

    /// <summary>Whether the conversation may begin.</summary>
    public bool IsAccepted => Failure == ServerHandshakeFailure.None;

    /// <summary>The broken rule, or None.</summary>
    public ServerHandshakeFailure Failure { get; }

    /// <summary>The HTTP status to answer: 101, on HTTP/2 200, or the status of the refusal.</summary>
    public int StatusCode { get; }

    /// <summary>The value of <c>Sec-WebSocket-Accept</c>; null if refused, and on HTTP/2, which has none (RFC 8441 §5).</summary>
    public string? Accept { get; }

    /// <summary>The chosen subprotocol, the very string of the server's list; null if none is agreed.</summary>
    public string? Subprotocol { get; }

    /// <summary>If refused, a sentence that says which header was wrong and what is expected; fit for the body and the log. Else "".</summary>
    public string Reason { get; }

    /// <summary>If refused, the headers that go with the status. Shared: not to be changed.</summary>
    public KeyValuePair<string, string>[] Headers { get; }

    public static ServerHandshakeVerdict Accepted(int statusCode, string? accept, string? subprotocol) => new(statusCode, accept, subprotocol);

    public static ServerHandshakeVerdict Refused(ServerHandshakeFailure failure, int statusCode, string reason, params KeyValuePair<string, string>[] headers) =>
        new(failure, statusCode, reason, headers);
}
