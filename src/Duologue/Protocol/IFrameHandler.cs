namespace Duologue.Protocol;

/// <summary>
/// Who a <see cref="FrameReader"/> tells of what it read. Implemented by a struct, so that the compiler inlines the way through.
/// </summary>
internal interface IFrameHandler
{
    /// <summary>How many payload bytes of data frames may be taken now, given those already buffered; none stops the reader.</summary>
    long Allowance(int buffered);

    /// <summary>How long the message being put together may become, in bytes.</summary>
    long MessageLimit { get; }

    /// <summary>Whether the fragments of the message being read are limited: not where somebody reads it piecewise, as it comes.</summary>
    bool LimitsFragments { get; }

    /// <summary>Whether the message being read is to be thrown away.</summary>
    bool Discards { get; }

    /// <summary>A part of a message has begun that carries fewer bytes than <see cref="FrameReader.SmallFragment"/>.</summary>
    ProtocolViolation? OnSmallFragment();

    /// <summary>A message has begun.</summary>
    ProtocolViolation? OnMessageStart(MessageType type);

    /// <summary>
    /// A message is whole. <paramref name="body"/> holds what was not taken earlier; whoever wants to keep it detaches its array.
    /// </summary>
    void OnMessage(MessageType type, ref MessageBuffer body);

    /// <summary>A ping or a pong; the payload is valid for the call.</summary>
    ProtocolViolation? OnControl(Opcode opcode, ReadOnlySpan<byte> payload);

    /// <summary>The peer's Close. Nothing comes after it.</summary>
    void OnClose(ushort code, string reason);

    /// <summary>The peer broke a rule. After it the reader only looks for the peer's Close, and says so by <see cref="OnClosedAfterViolation"/>.</summary>
    void OnViolation(ProtocolViolation violation);

    /// <summary>After a violation, the peer's Close arrived too: it is known to send no more.</summary>
    void OnClosedAfterViolation();
}
