using System.Text;
using Duologue.Fuzz.Engine;
using Duologue.Fuzz.Wire;
using Duologue.Protocol;

namespace Duologue.Fuzz.Targets;

/// <summary>The validator of text that comes in pieces. Input: two bytes that decide the cuts, the text.</summary>
internal sealed class Utf8Target : FuzzTarget
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public override string Name => "utf8";

    public override string Invariant =>
        "Text is valid exactly if Encoding.UTF8 reads it, however it is cut, and fails in the piece that holds the first byte no text could have there.";

    public override int MaxLength => 512;

    public override IEnumerable<byte[]> Seeds => [[0, 0, .. "plain"u8], [1, 2, .. "κόσμε"u8], [3, 4, 0xF4, 0x8F, 0xBF, 0xBF], [5, 6, 0xED, 0xA0, 0x80], [7, 8, .. "a long text of ASCII, so that vectors come to work €"u8]];

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [.. "a"u8], [.. "0123456789abcdef"u8], [.. "é"u8], [.. "€"u8], [.. "𝄞"u8], [0xED, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xEE, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF],
        [0xF4, 0x90, 0x80, 0x80], [0xC0, 0x80], [0xE0, 0x80], [0xE0, 0xA0, 0x80], [0xF0, 0x80], [0xF0, 0x90, 0x80, 0x80], [0xC2, 0x80], [0x80], [0xFF], [0xE2, 0x82], [0xF0, 0x9D],
    ];

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        var decisions = new InputReader(input);
        int seed = (decisions.Byte() << 8) | decisions.Byte();
        byte[] text = decisions.Rest.ToArray();
        bool valid = IsValid(text);
        int firstBad = FirstBad(text);

        Feed(text, valid, firstBad, static _ => int.MaxValue);
        Feed(text, valid, firstBad, static _ => 1);
        var random = new Random(seed);
        Feed(text, valid, firstBad, _ => random.Next(1, 8));
        Feed(text, valid, firstBad, _ => Cuts.SizeOf((byte)random.Next(16)));

        var signature = new Signature();
        signature.Add(valid ? 1 : 0);
        signature.Add(firstBad < text.Length ? text[firstBad] >> 4 : -1);
        signature.Add(firstBad is > 0 && firstBad <= text.Length ? text[firstBad - 1] >> 3 : -1);
        return signature.Value;
    }

    private static bool IsValid(byte[] text)
    {
        try
        {
            Strict.GetCharCount(text);
            return true;
        }
        catch (DecoderFallbackException)
        {
            // How Encoding.UTF8 says no.
            return false;
        }
    }

    /// <summary>The first byte that no text could have there; the length if there is none.</summary>
    private static int FirstBad(byte[] text)
    {
        for (int length = 1; length <= text.Length; length++)
        {
            if (!StreamModel.IsText(text.AsSpan(0, length), final: false))
            {
                return length - 1;
            }
        }

        return text.Length;
    }

    private static void Feed(byte[] text, bool valid, int firstBad, Func<int, int> cut)
    {
        var validator = default(Utf8Validator);
        for (int at = 0; at < text.Length;)
        {
            int count = Math.Min(cut(at), text.Length - at);
            bool accepted = validator.Append(text.AsSpan(at, count));
            int end = at + count;
            InvariantException.Require(
                accepted == (firstBad >= end),
                "it fails in the piece that holds the first bad byte",
                () => $"{Convert.ToHexString(text)}, piece up to {end}, first bad byte {firstBad}, accepted: {accepted}");
            if (!accepted)
            {
                return;
            }

            at = end;
        }

        InvariantException.Require(validator.IsComplete == valid, "complete is valid", () => Convert.ToHexString(text));
    }
}
