using System.Buffers.Binary;
using System.Text;
using Duologue.Protocol;

namespace Duologue.Tests.Protocol;

/// <summary>
/// Frames written by hand, byte by byte as RFC 6455 §5.2 draws them, and free to break every rule: the tests must not
/// share a mistake with the code under test.
/// </summary>
internal sealed record WireFrame(int Opcode, byte[] Payload)
{
    public const int Continuation = 0;
    public const int Text = 1;
    public const int Binary = 2;
    public const int Close = 8;
    public const int Ping = 9;
    public const int Pong = 10;

    private static readonly byte[] DefaultKey = [0x37, 0xFA, 0x21, 0x3D];

    public bool Fin { get; init; } = true;

    public int Reserved { get; init; }

    /// <summary>0, 2 or 8 bytes of extended length; null for the shortest.</summary>
    public int? LengthSize { get; init; }

    /// <summary>What the header claims, where it differs from the payload.</summary>
    public ulong? ClaimedLength { get; init; }

    public byte[]? Key { get; init; }

    public static WireFrame OfText(ReadOnlySpan<byte> text) => new(Text, text.ToArray());

    public static WireFrame OfClose(ushort code, string reason)
    {
        byte[] body = [(byte)(code >> 8), (byte)code, .. Encoding.UTF8.GetBytes(reason)];
        return new WireFrame(Close, body);
    }

    public WireFrame Masked() => this with { Key = DefaultKey };

    /// <summary>As a peer of the given reader would send it: masked towards a server.</summary>
    public WireFrame For(Role reader) => reader == Role.Server ? Masked() : this;

    public byte[] ToBytes()
    {
        ulong length = ClaimedLength ?? (ulong)Payload.Length;
        int size = LengthSize ?? (length < 126 ? 0 : length < 65536 ? 2 : 8);
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
