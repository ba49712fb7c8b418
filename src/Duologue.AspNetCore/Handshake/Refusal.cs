using Duologue.Protocol.Handshake;

namespace Duologue.AspNetCore;

/// <summary>Why a request did not become a connection: what is answered, counted and logged.</summary>
internal readonly record struct Refusal(RefusalReason Reason, int StatusCode, string Sentence, KeyValuePair<string, string>[] Headers)
{
    /// <summary>What the log and the trace may have: a subprotocol may carry a credential, so that the sentence on it is the client's only.</summary>
    public string LoggedSentence { get; private init; } = Sentence;

    public static Refusal From(in ServerHandshakeVerdict verdict)
    {
        RefusalReason reason = verdict.Failure switch
        {
            ServerHandshakeFailure.Method => RefusalReason.Method,
            ServerHandshakeFailure.HttpVersion => RefusalReason.HttpVersion,
            ServerHandshakeFailure.NoUpgrade => RefusalReason.NotWebSocket,
            ServerHandshakeFailure.Version => RefusalReason.Version,
            _ => RefusalReason.MalformedHandshake,
        };
        return new(reason, verdict.StatusCode, verdict.Reason, verdict.Headers)
        {
            LoggedSentence = verdict.Failure == ServerHandshakeFailure.Subprotocol ? "Sec-WebSocket-Protocol is malformed or too long." : verdict.Reason,
        };
    }
}

/// <summary>Every way to be refused.</summary>
internal enum RefusalReason
{
    /// <summary>The method is not GET, nor CONNECT on HTTP/2.</summary>
    Method,

    /// <summary>HTTP/1.0.</summary>
    HttpVersion,

    /// <summary>An HTTP request that does not ask for a WebSocket.</summary>
    NotWebSocket,

    /// <summary>Another version than 13.</summary>
    Version,

    /// <summary>A header of the handshake is missing or malformed.</summary>
    MalformedHandshake,

    /// <summary>A page of an origin that is not allowed.</summary>
    Origin,

    /// <summary>The endpoint dispatches by subprotocol, and the client offers none that it has.</summary>
    Subprotocol,

    /// <summary>The server is shutting down.</summary>
    Draining,

    /// <summary><see cref="DuologueOptions.MaxConnections"/>, or the web server's own limit on upgrades.</summary>
    ConnectionLimit,

    /// <summary><see cref="DuologueOptions.MaxConnectionsPerAddress"/>.</summary>
    AddressLimit,

    /// <summary><see cref="DuologueOptions.MaxHandshakesPerSecond"/>.</summary>
    HandshakeRate,

    /// <summary><see cref="DuologueOptions.MaxHandshakesPerSecondPerAddress"/>.</summary>
    AddressRate,

    /// <summary>The web server cannot upgrade.</summary>
    UpgradeUnavailable,

    /// <summary><see cref="DuologueEndpointOptions.HandshakeTimeout"/>.</summary>
    Timeout,

    /// <summary>The client went away during the handshake.</summary>
    Aborted,

    /// <summary>A request of Engine.IO whose transport is unknown, or not its session's.</summary>
    SessionRequest,

    /// <summary>A session that there is not, or no more, or that is another user's.</summary>
    SessionUnknown,

    /// <summary><see cref="DuologueOptions.MaxSessionsPerAddress"/>.</summary>
    SessionLimit,

    /// <summary>A session of another node, which has gone or is not reached.</summary>
    SessionNodeGone,

    /// <summary>A session of another node, which is there by its lease and could not be connected to.</summary>
    SessionNodeAway,
}

internal static class RefusalReasons
{
    /// <summary>The reason as the value of a metric's attribute.</summary>
    public static string Name(this RefusalReason reason) => reason switch
    {
        RefusalReason.Method => "method",
        RefusalReason.HttpVersion => "http_version",
        RefusalReason.NotWebSocket => "not_websocket",
        RefusalReason.Version => "version",
        RefusalReason.MalformedHandshake => "malformed_handshake",
        RefusalReason.Origin => "origin",
        RefusalReason.Subprotocol => "subprotocol",
        RefusalReason.Draining => "draining",
        RefusalReason.ConnectionLimit => "connection_limit",
        RefusalReason.AddressLimit => "address_limit",
        RefusalReason.HandshakeRate => "handshake_rate",
        RefusalReason.AddressRate => "address_rate",
        RefusalReason.UpgradeUnavailable => "upgrade_unavailable",
        RefusalReason.Timeout => "timeout",
        RefusalReason.Aborted => "aborted",
        RefusalReason.SessionRequest => "session_request",
        RefusalReason.SessionUnknown => "session_unknown",
        RefusalReason.SessionLimit => "session_limit",
        RefusalReason.SessionNodeGone => "session_node_gone",
        RefusalReason.SessionNodeAway => "session_node_away",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, null),
    };
}
