using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Duologue.Protocol;

/// <summary>Close codes and the body of a Close frame (RFC 6455 §5.5.1 and §7.4).</summary>
internal static class CloseFrame
{
    public const ushort NormalClosure = 1000;
    public const ushort ProtocolError = 1002;
    public const ushort NoStatus = 1005;
    public const ushort Abnormal = 1006;
    public const ushort InvalidData = 1007;
    public const ushort PolicyViolation = 1008;
    public const ushort TooBig = 1009;
    public const ushort MandatoryExtension = 1010;
    public const ushort InternalError = 1011;
    public const ushort TryAgainLater = 1013;

    /// <summary>125 bytes of payload less the code.</summary>
    public const int MaxReasonSize = FrameHeader.MaxControlPayload - 2;

    /// <summary>
    /// Whether a code may stand in a Close frame. 1004 has no meaning; 1005, 1006 and 1015 are for reporting only and never on
    /// the wire (RFC 6455 §7.4.1); 1012 to 1014 are registered with IANA; 3000 to 4999 are free (§7.4.2).
    /// </summary>
    public static bool MayBeReceived(ushort code) =>
        code is (>= 1000 and <= 1003) or (>= 1007 and <= 1014) or (>= 3000 and <= 4999);

    /// <summary>Whether this peer may send a code. Only a client misses an extension, so 1010 is no server's (RFC 6455 §7.4.1).</summary>
    public static bool MayBeSent(ushort code, Role role) =>
        MayBeReceived(code) && !(code == MandatoryExtension && role == Role.Server);

    /// <summary>Checks a code and a reason that an application gives.</summary>
    /// <exception cref="ArgumentOutOfRangeException">This peer may not send the code.</exception>
    /// <exception cref="ArgumentException">The reason is too long.</exception>
    public static void ThrowIfUnsendable(ushort code, string reason, Role role)
    {
        ArgumentNullException.ThrowIfNull(reason);
        if (!MayBeSent(code, role))
        {
            string whoAndWhich = role == Role.Server ? "A server may send the close codes 1000 to 1003, 1007 to 1009, 1011 to 1014" : "A client may send the close codes 1000 to 1003, 1007 to 1014";
            throw new ArgumentOutOfRangeException(nameof(code), code, $"{whoAndWhich} and 3000 to 4999 (RFC 6455 §7.4).");
        }

        int size = Encoding.UTF8.GetByteCount(reason);
        if (size > MaxReasonSize)
        {
            throw new ArgumentException($"The reason has {size} UTF-8 bytes; a Close frame takes at most {MaxReasonSize} (RFC 6455 §5.5).", nameof(reason));
        }
    }

    /// <summary>Writes a body and returns its size. Without a code (1005) the body is empty.</summary>
    /// <param name="destination">At least 125 bytes.</param>
    /// <param name="code">A code that may be sent, or 1005 for none.</param>
    /// <param name="reason">At most 123 UTF-8 bytes; lone surrogates become U+FFFD.</param>
    public static int Write(Span<byte> destination, ushort code, string reason)
    {
        if (code == NoStatus)
        {
            return 0;
        }

        BinaryPrimitives.WriteUInt16BigEndian(destination, code);
        return 2 + Encoding.UTF8.GetBytes(reason, destination[2..]);
    }

    /// <summary>Reads a body. An empty one gives code 1005.</summary>
    /// <returns>The violation, or null.</returns>
    public static ProtocolViolation? Read(ReadOnlySpan<byte> body, out ushort code, out string reason)
    {
        code = NoStatus;
        reason = "";
        if (body.IsEmpty)
        {
            return null;
        }

        if (body.Length == 1)
        {
            return ProtocolViolation.TruncatedCloseCode;
        }

        ushort given = BinaryPrimitives.ReadUInt16BigEndian(body);
        if (!MayBeReceived(given))
        {
            return ProtocolViolation.InvalidCloseCode;
        }

        if (!Utf8.IsValid(body[2..]))
        {
            return ProtocolViolation.InvalidCloseReason;
        }

        code = given;
        reason = Encoding.UTF8.GetString(body[2..]);
        return null;
    }
}
