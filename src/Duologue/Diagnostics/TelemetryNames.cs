using Duologue.Client;

namespace Duologue;

/// <summary>
/// What causes, reasons and violations are called in metrics and traces. The names are a contract with dashboards and alerts: they
/// stay when a member is renamed. The tables of docs/operations.md list them.
/// </summary>
internal static class TelemetryNames
{
    public const string Transport = "duologue.transport";
    public const string CloseCause = "duologue.close.cause";
    public const string CloseCode = "duologue.close.code";
    public const string DropReason = "duologue.drop.reason";
    public const string Violation = "duologue.protocol.violation";
    public const string HandshakeFailure = "duologue.handshake.failure";
    public const string ConnectionId = "duologue.connection.id";
    public const string Subprotocol = "duologue.subprotocol";
    public const string LogEvent = "duologue.log.event";
    public const string Limit = "duologue.limit";
    public const string RecoveryOutcome = "duologue.recovery.outcome";
    public const string BrokerOperation = "duologue.broker.operation";
    public const string FeedWay = "duologue.feed.way";
    public const string MessageFate = "duologue.message.fate";
    public const string UpgradeOutcome = "duologue.upgrade.outcome";
    public const string FeedRefusal = "duologue.feed.refusal";
    public const string PublishRefusal = "duologue.publish.refusal";

    /// <summary>OpenTelemetry's own, as are all without our prefix.</summary>
    public const string ErrorType = "error.type";

    /// <summary><see cref="Transport"/> with the value of a WebSocket; of another transport: <see cref="Of(Duologue.Transport)"/>.</summary>
    public static readonly KeyValuePair<string, object?> WebSocket = new(Transport, "websocket");

    private static readonly KeyValuePair<string, object?> LongPolling = new(Transport, "long_polling");
    private static readonly KeyValuePair<string, object?> Polling = new(Transport, "polling");

    public static KeyValuePair<string, object?> Of(Transport transport) => transport switch
    {
        Duologue.Transport.LongPolling => LongPolling,
        Duologue.Transport.Polling => Polling,
        _ => WebSocket,
    };

    public static string Of(CloseCause cause) => cause switch
    {
        Duologue.CloseCause.PeerClosed => "peer_closed",
        Duologue.CloseCause.LocalClose => "local_close",
        Duologue.CloseCause.Aborted => "aborted",
        Duologue.CloseCause.ConnectionLost => "connection_lost",
        Duologue.CloseCause.ProtocolViolation => "protocol_violation",
        Duologue.CloseCause.MessageTooBig => "message_too_big",
        Duologue.CloseCause.LimitExceeded => "limit_exceeded",
        Duologue.CloseCause.SendQueueFull => "send_queue_full",
        Duologue.CloseCause.KeepAliveTimeout => "keep_alive_timeout",
        Duologue.CloseCause.CloseTimeout => "close_timeout",
        Duologue.CloseCause.HandlerFailed => "handler_failed",
        Duologue.CloseCause.ServerDraining => "server_draining",
        Duologue.CloseCause.SendTimeout => "send_timeout",
        _ => Other,
    };

    public static string Of(DropReason reason) => reason switch
    {
        Duologue.DropReason.Closed => "closed",
        Duologue.DropReason.QueueFull => "queue_full",
        Duologue.DropReason.Oldest => "oldest",
        Duologue.DropReason.Newest => "newest",
        Duologue.DropReason.Unsent => "unsent",
        Duologue.DropReason.Unreceived => "unreceived",
        Duologue.DropReason.NotFound => "not_found",
        _ => Other,
    };

    public static string Of(MessageFate fate) => fate switch
    {
        Duologue.MessageFate.Sent => "sent",
        Duologue.MessageFate.Dropped => "dropped",
        Duologue.MessageFate.Expired => "expired",
        Duologue.MessageFate.Overflowed => "overflowed",
        Duologue.MessageFate.Unknown => "unknown",
        _ => Other,
    };

    public static string Of(ProtocolViolation violation) => violation switch
    {
        ProtocolViolation.ReservedBitSet => "reserved_bit_set",
        ProtocolViolation.ReservedOpcode => "reserved_opcode",
        ProtocolViolation.NonMinimalLength => "non_minimal_length",
        ProtocolViolation.LengthOutOfRange => "length_out_of_range",
        ProtocolViolation.UnmaskedFrame => "unmasked_frame",
        ProtocolViolation.MaskedFrame => "masked_frame",
        ProtocolViolation.FragmentedControlFrame => "fragmented_control_frame",
        ProtocolViolation.OversizedControlFrame => "oversized_control_frame",
        ProtocolViolation.UnexpectedContinuation => "unexpected_continuation",
        ProtocolViolation.ExpectedContinuation => "expected_continuation",
        ProtocolViolation.InvalidUtf8 => "invalid_utf8",
        ProtocolViolation.TruncatedCloseCode => "truncated_close_code",
        ProtocolViolation.InvalidCloseCode => "invalid_close_code",
        ProtocolViolation.InvalidCloseReason => "invalid_close_reason",
        ProtocolViolation.MessageTooBig => "message_too_big",
        ProtocolViolation.TooManyFragments => "too_many_fragments",
        ProtocolViolation.TooManyControlFrames => "too_many_control_frames",
        ProtocolViolation.TooManyMessages => "too_many_messages",
        ProtocolViolation.TooManySmallFragments => "too_many_small_fragments",
        ProtocolViolation.MessageTooSlow => "message_too_slow",
        ProtocolViolation.InvalidCompressedData => "invalid_compressed_data",
        ProtocolViolation.InvalidPacket => "invalid_packet",
        ProtocolViolation.OverlappingRequests => "overlapping_requests",
        _ => Other,
    };

    public static string Of(ConnectFailure failure) => failure switch
    {
        ConnectFailure.NameResolution => "name_resolution",
        ConnectFailure.Connection => "connection",
        ConnectFailure.Tls => "tls",
        ConnectFailure.Proxy => "proxy",
        ConnectFailure.HttpVersion => "http_version",
        ConnectFailure.Authentication => "authentication",
        ConnectFailure.Timeout => "timeout",
        ConnectFailure.Status => "status",
        ConnectFailure.MalformedHandshake => "malformed_handshake",
        ConnectFailure.Subprotocol => "subprotocol",
        ConnectFailure.HeaderTooLarge => "header_too_large",
        ConnectFailure.ResponseEnded => "response_ended",
        ConnectFailure.InvalidResponse => "invalid_response",
        ConnectFailure.BlockedPort => "blocked_port",
        ConnectFailure.Cancelled => "cancelled",
        ConnectFailure.Application => "application",
        _ => Other,
    };

    /// <summary>What a member without a name would be called: a test sees to it that there is none, but for <see cref="ConnectFailure.Other"/>.</summary>
    internal const string Other = "other";
}
