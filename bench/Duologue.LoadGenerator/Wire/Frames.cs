using System.Buffers.Binary;

namespace Duologue.LoadGenerator;

/// <summary>Whole frames, made before the load begins. The load has no protocol engine, so that those under test are on the server's side only.</summary>
internal static class Frames
{
    public const byte Text = 0x81; // FIN and the opcode, RFC 6455 §5.2
    public const byte Binary = 0x82;
    public const byte Close = 0x88;
    public const byte Ping = 0x89;
    public const byte Pong = 0x8A;

    /// <summary>RSV1 says that a message is compressed, RFC 7692 §6.</summary>
    public const byte Compressed = 0x40;

    private static readonly byte[] Mask = [0x37, 0xFA, 0x21, 0x3D];

    /// <summary>A Close with 1000, as a client sends it.</summary>
    public static byte[] NormalClose { get; } = FromClient(Close, [0x03, 0xE8]);

    /// <summary>The same bytes for the same length each time; as text letters only.</summary>
    public static byte[] Payload(int length, bool text)
    {
        byte[] payload = new byte[length];
        Random random = new(length);
        random.NextBytes(payload);
        if (text)
        {
            for (int i = 0; i < length; i++)
            {
                payload[i] = (byte)('a' + (payload[i] % 26));
            }
        }

        return payload;
    }

    public static byte[] FromClient(byte first, ReadOnlySpan<byte> payload)
    {
        byte[] frame = [.. Header(first, payload.Length, 0x80), .. Mask, .. payload];
        Span<byte> body = frame.AsSpan(frame.Length - payload.Length);
        for (int i = 0; i < body.Length; i++)
        {
            body[i] ^= Mask[i % Mask.Length];
        }

        return frame;
    }

    public static byte[] FromServer(byte first, ReadOnlySpan<byte> payload) => [.. Header(first, payload.Length, 0), .. payload];

    public static byte[] Repeat(byte[] frame, int times)
    {
        byte[] all = new byte[frame.Length * times];
        for (int i = 0; i < times; i++)
        {
            frame.CopyTo(all, i * frame.Length);
        }

        return all;
    }

    private static byte[] Header(byte first, int length, byte masked)
    {
        switch (length)
        {
            case < 126:
                return [first, (byte)(masked | length)];
            case <= ushort.MaxValue:
                byte[] medium = [first, (byte)(masked | 126), 0, 0];
                BinaryPrimitives.WriteUInt16BigEndian(medium.AsSpan(2), (ushort)length);
                return medium;
            default:
                byte[] large = [first, (byte)(masked | 127), 0, 0, 0, 0, 0, 0, 0, 0];
                BinaryPrimitives.WriteUInt64BigEndian(large.AsSpan(2), (ulong)length);
                return large;
        }
    }
}
