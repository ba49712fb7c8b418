using System.Buffers;
using System.Buffers.Binary;

namespace Duologue.Protocol;

/// <summary>The first 2 to 14 bytes of a frame (RFC 6455 §5.2).</summary>
internal readonly record struct FrameHeader(Opcode Opcode, bool Fin, byte Reserved, bool Masked, uint MaskKey, ulong Length)
{
    /// <summary>2 bytes, 8 of extended length, 4 of masking key.</summary>
    public const int MaxSize = 14;

    /// <summary>RFC 6455 §5.5: the most that a control frame may carry.</summary>
    public const int MaxControlPayload = 125;

    /// <summary>RFC 7692 §6: RSV1, which says on the first frame of a message that it is compressed.</summary>
    public const byte Compressed = 0x40;

    private const byte Length16 = 126;
    private const byte Length64 = 127;

    /// <summary>
    /// Reads a header as it stands, judging nothing: even a frame that breaks every rule has a readable shape, which
    /// lets a failed connection skip to the peer's Close.
    /// </summary>
    /// <returns><see cref="OperationStatus.NeedMoreData"/> or <see cref="OperationStatus.Done"/>.</returns>
    public static OperationStatus TryRead(ReadOnlySpan<byte> bytes, out FrameHeader header, out int size)
    {
        header = default;
        size = 2;
        if (bytes.Length < 2)
        {
            return OperationStatus.NeedMoreData;
        }

        byte first = bytes[0];
        byte second = bytes[1];
        bool masked = (second & 0x80) != 0;
        int shortLength = second & 0x7F;
        int lengthSize = shortLength < Length16 ? 0 : shortLength == Length16 ? 2 : 8;
        size = 2 + lengthSize + (masked ? 4 : 0);
        if (bytes.Length < size)
        {
            return OperationStatus.NeedMoreData;
        }

        ulong length = lengthSize switch
        {
            0 => (ulong)shortLength,
            2 => BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]),
            _ => BinaryPrimitives.ReadUInt64BigEndian(bytes[2..]),
        };

        // The key is kept in memory order, so that XOR needs no swap.
        uint key = masked ? BinaryPrimitives.ReadUInt32LittleEndian(bytes[(2 + lengthSize)..]) : 0;
        header = new FrameHeader((Opcode)(first & 0x0F), (first & 0x80) != 0, (byte)(first & 0x70), masked, key, length);
        return OperationStatus.Done;
    }

    /// <summary>How many bytes the length took on the wire beyond the first two, told from the size of the whole header.</summary>
    public int LengthSize(int headerSize) => headerSize - 2 - (Masked ? 4 : 0);

    /// <summary>The size of the header that <see cref="Write"/> makes.</summary>
    public static int SizeFor(long length, bool masked) =>
        2 + (length < Length16 ? 0 : length <= ushort.MaxValue ? 2 : 8) + (masked ? 4 : 0);

    /// <summary>What <see cref="SizeFor"/> was added to, for a whole frame in the shortest form.</summary>
    public static int PayloadOf(int frameLength, Role role)
    {
        bool masked = role == Role.Client;
        int payload = frameLength - SizeFor(0, masked);
        return payload < Length16 ? payload : payload - 2 <= ushort.MaxValue ? payload - 2 : payload - 8;
    }

    /// <summary>Writes a header in the shortest form (RFC 6455 §5.2) and returns its size.</summary>
    public static int Write(Span<byte> destination, Opcode opcode, bool fin, long length, bool masked, uint maskKey)
    {
        destination[0] = (byte)((fin ? 0x80 : 0) | (byte)opcode);
        byte maskBit = masked ? (byte)0x80 : (byte)0;
        int size = 2;
        if (length < Length16)
        {
            destination[1] = (byte)(maskBit | (byte)length);
        }
        else if (length <= ushort.MaxValue)
        {
            destination[1] = (byte)(maskBit | Length16);
            BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)length);
            size = 4;
        }
        else
        {
            destination[1] = (byte)(maskBit | Length64);
            BinaryPrimitives.WriteUInt64BigEndian(destination[2..], (ulong)length);
            size = 10;
        }

        if (masked)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(destination[size..], maskKey);
            size += 4;
        }

        return size;
    }
}
