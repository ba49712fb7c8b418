using System.Globalization;

namespace Duologue.Protocol;

/// <summary>The one place that maps a violation to its close code, its sentence and its cause.</summary>
internal static class Violations
{
    /// <summary>The code of the Close frame that answers the violation (RFC 6455 §7.4.1).</summary>
    public static ushort CloseCode(ProtocolViolation violation) => violation switch
    {
        // RFC 7692 names no code for data that cannot be inflated. RFC 6455 §7.4.1 has 1007 for "data within a message that was not consistent
        // with the type of the message": the framing was right, what is in it is not.
        ProtocolViolation.InvalidUtf8 or ProtocolViolation.InvalidCloseReason or ProtocolViolation.InvalidCompressedData => CloseFrame.InvalidData,
        ProtocolViolation.MessageTooBig => CloseFrame.TooBig,
        ProtocolViolation.TooManyFragments or ProtocolViolation.TooManyControlFrames or ProtocolViolation.TooManyMessages
            or ProtocolViolation.TooManySmallFragments or ProtocolViolation.MessageTooSlow or ProtocolViolation.OverlappingRequests => CloseFrame.PolicyViolation,
        _ => CloseFrame.ProtocolError,
    };

    public static CloseCause Cause(ProtocolViolation violation) => violation switch
    {
        ProtocolViolation.MessageTooBig => CloseCause.MessageTooBig,
        ProtocolViolation.TooManyFragments or ProtocolViolation.TooManyControlFrames or ProtocolViolation.TooManyMessages
            or ProtocolViolation.TooManySmallFragments or ProtocolViolation.MessageTooSlow => CloseCause.LimitExceeded,
        _ => CloseCause.ProtocolViolation,
    };

    /// <summary>What is told to the peer as the reason, and to the developer in logs: at most 123 bytes, naming limit and option.</summary>
    public static string Sentence(ProtocolViolation violation, ConnectionOptions options) => violation switch
    {
        ProtocolViolation.ReservedBitSet => "A reserved bit is set without an extension that uses it.",
        ProtocolViolation.ReservedOpcode => "The opcode is reserved.",
        ProtocolViolation.NonMinimalLength => "The payload length is not in its shortest form.",
        ProtocolViolation.LengthOutOfRange => "The payload length has its highest bit set.",
        ProtocolViolation.UnmaskedFrame => "A frame from a client must be masked.",
        ProtocolViolation.MaskedFrame => "A frame from a server must not be masked.",
        ProtocolViolation.FragmentedControlFrame => "A control frame must not be fragmented.",
        ProtocolViolation.OversizedControlFrame => "A control frame must not exceed 125 bytes.",
        ProtocolViolation.UnexpectedContinuation => "A continuation frame has no message to continue.",
        ProtocolViolation.ExpectedContinuation => "A new message began before the fragmented one ended.",
        ProtocolViolation.InvalidUtf8 => "The text is not valid UTF-8.",
        ProtocolViolation.TruncatedCloseCode => "A close body must be empty or have at least two bytes.",
        ProtocolViolation.InvalidCloseCode => "The close code must not be sent.",
        ProtocolViolation.InvalidCloseReason => "The close reason is not valid UTF-8.",
        ProtocolViolation.InvalidCompressedData => "The compressed message is not valid DEFLATE.",
        ProtocolViolation.InvalidPacket => "The packet is malformed, or has no place here.",
        ProtocolViolation.OverlappingRequests => "A session takes one request of a kind at a time.",
        ProtocolViolation.MessageTooBig => $"The message exceeds {options.MaxMessageSize} bytes (MaxMessageSize).",
        ProtocolViolation.TooManyFragments => $"The message exceeds {options.MaxFragments} fragments (MaxFragments).",
        ProtocolViolation.TooManyControlFrames =>
            $"More than {options.MaxControlFramesPerSecond} control frames in a second (MaxControlFramesPerSecond).",
        ProtocolViolation.TooManyMessages =>
            $"More than {options.MaxMessagesPerSecond} messages in a second (MaxMessagesPerSecond).",
        ProtocolViolation.TooManySmallFragments =>
            $"More than {options.MaxSmallFragmentsPerSecond} small fragments in a second (MaxSmallFragmentsPerSecond).",
        ProtocolViolation.MessageTooSlow =>
            string.Create(CultureInfo.InvariantCulture, $"The message took longer than {options.MessageTimeout.TotalSeconds} s (MessageTimeout)."),
        _ => throw new ArgumentOutOfRangeException(nameof(violation), violation, null),
    };
}
