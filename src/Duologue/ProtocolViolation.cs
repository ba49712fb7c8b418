namespace Duologue;

/// <summary>Every rule of the protocol that a peer can break, one member each.</summary>
public enum ProtocolViolation
{
    /// <summary>A reserved bit is set that no extension gave a meaning (RFC 6455 §5.2).</summary>
    ReservedBitSet = 1,

    /// <summary>An opcode that is not assigned: 3 to 7 or 11 to 15 (RFC 6455 §5.2).</summary>
    ReservedOpcode,

    /// <summary>A length is not in its shortest form (RFC 6455 §5.2).</summary>
    NonMinimalLength,

    /// <summary>A 64-bit length has its highest bit set (RFC 6455 §5.2).</summary>
    LengthOutOfRange,

    /// <summary>A client's frame is not masked (RFC 6455 §5.1).</summary>
    UnmaskedFrame,

    /// <summary>A server's frame is masked (RFC 6455 §5.1).</summary>
    MaskedFrame,

    /// <summary>A control frame is fragmented (RFC 6455 §5.5).</summary>
    FragmentedControlFrame,

    /// <summary>A control frame has more than 125 bytes (RFC 6455 §5.5).</summary>
    OversizedControlFrame,

    /// <summary>A continuation frame without a message to continue (RFC 6455 §5.4).</summary>
    UnexpectedContinuation,

    /// <summary>A new message began before the fragmented one ended (RFC 6455 §5.4).</summary>
    ExpectedContinuation,

    /// <summary>Text is not valid UTF-8 (RFC 6455 §8.1).</summary>
    InvalidUtf8,

    /// <summary>A Close frame has a body of one byte (RFC 6455 §5.5.1).</summary>
    TruncatedCloseCode,

    /// <summary>A Close frame has a code that must not be sent (RFC 6455 §7.4).</summary>
    InvalidCloseCode,

    /// <summary>A Close frame's reason is not valid UTF-8 (RFC 6455 §5.5.1).</summary>
    InvalidCloseReason,

    /// <summary>A message exceeds <see cref="ConnectionOptions.MaxMessageSize"/>.</summary>
    MessageTooBig,

    /// <summary>A message has more fragments than <see cref="ConnectionOptions.MaxFragments"/>.</summary>
    TooManyFragments,

    /// <summary>More control frames in a second than <see cref="ConnectionOptions.MaxControlFramesPerSecond"/>.</summary>
    TooManyControlFrames,

    /// <summary>More messages in a second than <see cref="ConnectionOptions.MaxMessagesPerSecond"/>.</summary>
    TooManyMessages,

    /// <summary>More fragments of fewer than 64 bytes in a second than <see cref="ConnectionOptions.MaxSmallFragmentsPerSecond"/>.</summary>
    TooManySmallFragments,

    /// <summary>A message took longer to arrive than <see cref="ConnectionOptions.MessageTimeout"/>.</summary>
    MessageTooSlow,

    /// <summary>A compressed message is no DEFLATE data, or breaks off within it (RFC 7692 §7.2.2).</summary>
    InvalidCompressedData,

    /// <summary>A packet of an Engine.IO session is malformed, or has no place where it came.</summary>
    InvalidPacket,

    /// <summary>An Engine.IO session was polled twice at a time, or posted to twice at a time.</summary>
    OverlappingRequests,
}
