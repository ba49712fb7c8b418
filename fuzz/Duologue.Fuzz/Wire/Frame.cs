using System.Buffers.Binary;

namespace Duologue.Fuzz.Wire;

/// <summary>
/// A frame as RFC 6455 §5.2 draws it, written by hand and free to break every rule: it must not share a mistake with the
/// code under test.
/// </summary>
internal sealed record Frame(int Opcode, byte[] Payload)
{
    public const int Continuation = 0;
    public const int Text = 1;
    public const int Binary = 2;
    public const int Close = 8;
    public const int Ping = 9;
    public const int Pong = 10;

    public bool Fin { get; init; } = true;

    /// <summary>The reserved bits as a number, RSV1 the highest.</summary>
    public int Reserved { get; init; }

    /// <summary>0, 2 or 8 bytes of extended length; null for the shortest.</summary>
    public int? LengthSize { get; init; }

    /// <summary>What the header claims, where it differs from the payload.</summary>
    public ulong? ClaimedLength { get; init; }

    /// <summary>Four bytes; null for an unmasked frame.</summary>
    public byte[]? Key { get; init; }

    public byte[] ToBytes()
    {
        ulong length = ClaimedLength ?? (ulong)Payload.Length;
        int shortest = length < 126 ? 0 : length < 65536 ? 2 : 8;
        int size = Math.Max(LengthSize ?? 0, shortest);
        var bytes = new List<byte>
        {
            (byte)((Fin ? 0x80 : 0) | (Reserved << 4) | Opcode),
            (byte)((Key is null ? 0 : 0x80) | (size == 0 ? (int)length : size == 2 ? 126 : 127)),
        };
        Span<byte> extended = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(extended, length);
        bytes.AddRange(extended[(8 - size)..]);
        if (Key is null)
        {
            bytes.AddRange(Payload);
            return [.. bytes];
        }

        bytes.AddRange(Key);
        for (int i = 0; i < Payload.Length; i++)
        {
            bytes.Add((byte)(Payload[i] ^ Key[i % 4]));
        }

        return [.. bytes];
    }
}
