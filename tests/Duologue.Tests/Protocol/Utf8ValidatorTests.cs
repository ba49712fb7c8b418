using System.Text;
using CsCheck;
using Duologue.Protocol;

namespace Duologue.Tests.Protocol;

public sealed class Utf8ValidatorTests
{
    // One of each class and both ends of each range of RFC 3629 §4.
    private static readonly byte[] Edges =
    [
        0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
        0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFB, 0xFC, 0xFE, 0xFF,
    ];

    [Fact]
    public void Agrees_with_the_reference_on_every_sequence_of_four_edge_bytes_at_every_cut()
    {
        byte[] bytes = new byte[4];
        foreach (byte a in Edges)
        {
            foreach (byte b in Edges)
            {
                foreach (byte c in Edges)
                {
                    foreach (byte d in Edges)
                    {
                        (bytes[0], bytes[1], bytes[2], bytes[3]) = (a, b, c, d);
                        int expected = FirstBad(bytes, out bool complete);
                        for (int cut = 0; cut <= 4; cut++)
                        {
                            Check(bytes, cut, expected, complete);
                        }
                    }
                }
            }
        }
    }

    [Fact]
    public void Accepts_every_scalar_value_at_every_cut_and_behind_every_prefix()
    {
        Span<byte> bytes = stackalloc byte[4];
        for (int value = 0; value <= 0x10FFFF; value++)
        {
            if (value is >= 0xD800 and <= 0xDFFF)
            {
                continue;
            }

            int length = new Rune(value).EncodeToUtf8(bytes);
            for (int cut = 0; cut < length; cut++)
            {
                var validator = default(Utf8Validator);
                if (!validator.Append(bytes[..cut]) || validator.IsComplete != (cut == 0) || !validator.Append(bytes[cut..length]) || !validator.IsComplete)
                {
                    Assert.Fail($"U+{value:X4} cut at {cut}");
                }
            }
        }
    }

    [Theory]
    [InlineData("C0-80")]
    [InlineData("C1-BF")]
    [InlineData("E0-9F-BF")]
    [InlineData("ED-A0-80")]
    [InlineData("ED-BF-BF")]
    [InlineData("F0-8F-BF-BF")]
    [InlineData("F4-90-80-80")]
    [InlineData("F5-80-80-80")]
    [InlineData("80")]
    [InlineData("FF")]
    public void Refuses_overlong_forms_surrogates_and_what_lies_above_the_last_code_point(string hex)
    {
        byte[] bytes = Convert.FromHexString(hex.Replace("-", "", StringComparison.Ordinal));
        Assert.False(default(Utf8Validator).Append(bytes));
    }

    [Fact]
    public void Fails_at_exactly_the_first_bad_byte_of_random_bytes()
    {
        Gen<byte[]> valid = Gen.String.Select(text => Encoding.UTF8.GetBytes(text.Replace('\uFFFD', '?')));
        Gen<byte[]> mixed = Gen.Select(valid, Gen.Byte.Array[0, 6], valid, (a, b, c) => (byte[])[.. a, .. b, .. c]);
        Gen.Select(mixed, Gen.Int[1, 40]).Sample((bytes, chunk) =>
        {
            int expected = FirstBad(bytes, out bool complete);
            var validator = default(Utf8Validator);
            for (int at = 0; at < bytes.Length; at += chunk)
            {
                int end = Math.Min(bytes.Length, at + chunk);
                if (!validator.Append(bytes.AsSpan(at, end - at)))
                {
                    return expected >= at && expected < end;
                }
            }

            return expected < 0 && validator.IsComplete == complete;
        });
    }

    private static void Check(byte[] bytes, int cut, int expected, bool complete)
    {
        var validator = default(Utf8Validator);
        bool first = validator.Append(bytes.AsSpan(0, cut));
        bool ok = first == (expected < 0 || expected >= cut);
        if (ok && first)
        {
            bool second = validator.Append(bytes.AsSpan(cut));
            ok = second == (expected < 0) && (!second || validator.IsComplete == complete);
        }

        if (!ok)
        {
            Assert.Fail($"{Convert.ToHexString(bytes)} cut at {cut}; first bad byte {expected}");
        }
    }

    /// <summary>RFC 3629 §4 as a table, written a second time: the index of the first bad byte, or -1.</summary>
    private static int FirstBad(byte[] bytes, out bool complete)
    {
        int needed = 0;
        int low = 0x80;
        int high = 0xBF;
        for (int i = 0; i < bytes.Length; i++)
        {
            int b = bytes[i];
            if (needed > 0)
            {
                if (b < low || b > high)
                {
                    complete = false;
                    return i;
                }

                (low, high) = (0x80, 0xBF);
                needed--;
                continue;
            }

            needed = b < 0x80 ? 0 : b < 0xC2 ? -1 : b < 0xE0 ? 1 : b < 0xF0 ? 2 : b < 0xF5 ? 3 : -1;
            if (needed < 0)
            {
                complete = false;
                return i;
            }

            low = b == 0xE0 ? 0xA0 : b == 0xF0 ? 0x90 : 0x80;
            high = b == 0xED ? 0x9F : b == 0xF4 ? 0x8F : 0xBF;
        }

        complete = needed == 0;
        return -1;
    }
}
