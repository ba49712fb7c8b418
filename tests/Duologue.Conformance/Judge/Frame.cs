using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Duologue.Conformance.Judge;

/// <summary>How many bytes a frame spends on its length.</summary>
internal enum LengthForm
{
    /// <summary>The shortest, as RFC 6455 §5.2 demands.</summary>
    Shortest,

    /// <summary>126 and two bytes.</summary>
    Two,

    /// <summary>127 and eight bytes.</summary>
    Eight,
}

/// <summary>Whether a frame is masked.</summary>
internal enum Masking
{
    /// <summary>As the sender's role demands (RFC 6455 §5.1), with a random key.</summary>
    ByRole,

    /// <summary>The opposite of what the sender's role demands.</summary>
    Wrong,

    /// <summary>As the role demands; a mask has the key 0.</summary>
    ZeroKey,

    /// <summary>As the role demands; a mask has the key FF FF FF FF.</summary>
    OnesKey,
}

/// <summary>
/// One frame to send, right or wrong in every part (RFC 6455 §5.2). Written from the RFC and sharing nothing with the code that
/// is judged.
/// </summary>
internal sealed record Frame(int Opcode, byte[] Payload)
{
    private static readonly UTF8Encoding Strict = new(false, true);

    public bool Fin { get; init; } = true;

    /// <summary>The reserved bits, RSV1 worth 4, RSV2 worth 2, RSV3 worth 1.</summary>
    public int Rsv { get; init; }

    public LengthForm Form { get; init; }

    public Masking Masking { get; init; }

    /// <summary>The length that the header claims; null for that of the payload. What is claimed beyond the payload is not sent.</summary>
    public ulong? Declared { get; init; }

    /// <summary>How many bytes of the frame the header claims and nobody sends.</summary>
    public ulong Missing => Declared is { } declared && declared > (ulong)Payload.Length ? declared - (ulong)Payload.Length : 0;

    public static Frame Text(string text) => new(1, Strict.GetBytes(text));

    public static Frame Text(byte[] bytes) => new(1, bytes);

    public static Frame Binary(byte[] bytes) => new(2, bytes);

    public static Frame Continue(byte[] bytes) => new(0, bytes);

    public static Frame Continue(string text) => new(0, Strict.GetBytes(text));

    public static Frame Ping(byte[] bytes) => new(9, bytes);

    public static Frame Ping(string text) => new(9, Strict.GetBytes(text));

    public static Frame Pong(byte[] bytes) => new(10, bytes);

    public static Frame CloseWith(byte[] body) => new(8, body);

    public static Frame Close(int code, byte[] reason) => new(8, [(byte)(code >> 8), (byte)code, .. reason]);

    public static Frame Close(int code, string reason) => Close(code, Strict.GetBytes(reason));

    public static Frame Close(int code) => Close(code, "");

    /// <summary>Not the last frame of its message.</summary>
    public Frame More => this with { Fin = false };

    /// <summary>The bytes as they go over the wire.</summary>
    public byte[] Encode(bool fromClient, Random random)
    {
        ulong length = Declared ?? (ulong)Payload.Length;
        bool masked = fromClient != (Masking == Masking.Wrong);
        var bytes = new byte[14 + Payload.Length];
        bytes[0] = (byte)((Fin ? 0x80 : 0) | (Rsv << 4) | Opcode);
        int at = 2;
        if (Form == LengthForm.Eight || (Form == LengthForm.Shortest && length > ushort.MaxValue))
        {
            bytes[1] = 127;
            BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(2), length);
            at = 10;
        }
        else if (Form == LengthForm.Two || length > 125)
        {
            bytes[1] = 126;
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), (ushort)length);
            at = 4;
        }
        else
        {
            bytes[1] = (byte)length;
        }

        Payload.CopyTo(bytes, masked ? at + 4 : at);
        if (masked)
        {
            bytes[1] |= 0x80;
            Span<byte> key = bytes.AsSpan(at, 4);
            switch (Masking)
            {
                case Masking.ZeroKey:
                    key.Clear();
                    break;
                case Masking.OnesKey:
                    key.Fill(0xFF);
                    break;
                default:
                    random.NextBytes(key);
                    break;
            }

            at += 4;
            for (int i = 0; i < Payload.Length; i++)
            {
                bytes[at + i] ^= key[i & 3];
            }
        }

        return bytes[..(at + Payload.Length)];
    }

    /// <summary>For the report: opcode, reserved bits, length and the first bytes.</summary>
    public override string ToString()
    {
        string name = Opcode switch { 0 => "continuation", 1 => "text", 2 => "binary", 8 => "close", 9 => "ping", 10 => "pong", _ => string.Create(CultureInfo.InvariantCulture, $"opcode {Opcode}") };
        string bits = Rsv == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" rsv {Rsv}");
        string fin = Fin ? "" : " more";
        string head = Payload.Length == 0 ? "" : " " + Convert.ToHexString(Payload.AsSpan(0, Math.Min(8, Payload.Length))) + (Payload.Length > 8 ? "…" : "");
        string claim = Declared is { } declared ? string.Create(CultureInfo.InvariantCulture, $" of {declared}") : "";
        return string.Create(CultureInfo.InvariantCulture, $"{name}{fin}{bits} {Payload.Length}{claim}{head}");
    }
}
