using System.Globalization;
using System.Text;
using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Cases;

/// <summary>Family 6: text is UTF-8, RFC 6455 §5.6 and §8.1, with RFC 3629: every boundary, every class of error, every cut, and failing fast.</summary>
internal static class Utf8Cases
{
    // The first and the last of each length, the neighbours of the surrogates, non-characters, private use.
    private static readonly int[] Boundaries =
    [
        0x00, 0x01, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0xD7FF, 0xE000, 0xFDD0, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF,
        0x10000, 0x1FFFE, 0x1FFFF, 0x2FFFE, 0x3FFFF, 0x40000, 0x7FFFF, 0x80000, 0xBFFFF, 0xC0000, 0xFFFFE, 0xFFFFF, 0x100000, 0x10FFFE, 0x10FFFF,
    ];

    private static readonly byte[] Prefix = "ok κ"u8.ToArray();

    public static IReadOnlyList<Case> All()
    {
        var table = new Table(6);
        Valid(table);
        foreach ((string title, byte[] bytes, int bad) in Invalid())
        {
            Broken(table, title, bytes, bad);
        }

        Incomplete(table);
        Binary(table);
        return table.Lines;
    }

    private static void Valid(Table table)
    {
        foreach (int scalar in Boundaries)
        {
            table.Group();
            byte[] bytes = Encoding.UTF8.GetBytes(char.ConvertFromUtf32(scalar));
            string name = string.Create(CultureInfo.InvariantCulture, $"U+{scalar:X4}");
            byte[] framed = [.. Prefix, .. bytes, .. "!"u8];
            Frame text = Frame.Text(framed);
            table.Add("§8.1", $"{name} alone", c => c.Send(Frame.Text(bytes)).Echo(Frame.Text(bytes)));
            table.Add("§8.1", $"{name} in a text", c => c.Send(text).Echo(text));
            table.Add("§8.1", $"{name}, cut to bytes", c => c.Send(Cut.Bytes, text).Echo(text));
            table.Add("§8.1", $"{name}, a fragment per byte", c => c.Send(Bytes.Fragments(1, Bytes.Split(framed, 1))).Echo(text));
            table.Add("§8.1", $"{name}, a fragment per byte, a write for each", c => c.Send(Cut.Frames, Bytes.Fragments(1, Bytes.Split(framed, 1))).Echo(text));
            for (int at = 1; at < bytes.Length; at++)
            {
                // The sequence is cut between fragments, with a ping there that shows that all is well so far.
                byte[] first = [.. Prefix, .. bytes[..at]];
                byte[] rest = [.. bytes[at..], .. "!"u8];
                table.Add("§5.6", $"{name}, split into fragments after {at} bytes, a ping between", c => c.Send(Frame.Text(first).More, Frame.Ping([1])).Await(0, 1).Send(Frame.Continue(rest)).Pong([1]).Echo(text));
            }
        }

        // A long text whose every alignment differs, in cuts that hit each character.
        table.Group();
        byte[] many = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("κ𝄞日a", 100)));
        foreach (int every in new[] { 2, 3, 5, 7, 16, 63, 64, 65 })
        {
            table.Add("§8.1", $"a long text, cut every {every}", c => c.Send(Cut.EveryBytes(every), Frame.Text(many)).Echo(Frame.Text(many)));
            table.Add("§8.1", $"a long text, in fragments of {every} bytes", c => c.Send(Bytes.Fragments(1, Bytes.Split(many, every))).Echo(Frame.Text(many)));
        }
    }

    // What it is, the bytes, and which of them is the first that cannot be.
    private static IEnumerable<(string Title, byte[] Bytes, int Bad)> Invalid()
    {
        for (int b = 0x80; b <= 0xBF; b++)
        {
            yield return ($"the lone continuation byte {b:X2}", [(byte)b], 0);
        }

        foreach (int b in new[] { 0xC0, 0xC1, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF })
        {
            yield return ($"the byte {b:X2}, which UTF-8 has not", [(byte)b, 0x80, 0x80, 0x80], 0);
        }

        // A lead and then something other than a continuation.
        for (int b = 0xC2; b <= 0xF4; b++)
        {
            yield return ($"the lead byte {b:X2} before a space", [(byte)b, 0x20], 1);
        }

        foreach (byte second in new byte[] { 0x7F, 0xC0, 0xC3, 0xE0, 0xF0, 0xFF })
        {
            yield return ($"C3 before {second:X2}", [0xC3, second], 1);
            yield return ($"E1 80 before {second:X2}", [0xE1, 0x80, second], 2);
            yield return ($"F1 80 80 before {second:X2}", [0xF1, 0x80, 0x80, second], 3);
        }

        // Overlong forms; the second byte tells.
        foreach (byte[] overlong in new byte[][] { [0xE0, 0x80, 0x80], [0xE0, 0x80, 0xAF], [0xE0, 0x9F, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x80, 0x80, 0xAF], [0xF0, 0x8F, 0xBF, 0xBF] })
        {
            yield return ($"the overlong form {Convert.ToHexString(overlong)}", overlong, 1);
        }

        yield return ("the overlong slash C0 AF", [0xC0, 0xAF], 0);
        yield return ("the overlong DEL C1 BF", [0xC1, 0xBF], 0);

        // Surrogates, alone and in pairs (CESU-8).
        foreach (byte[] surrogate in new byte[][] { [0xED, 0xA0, 0x80], [0xED, 0xAD, 0xBF], [0xED, 0xAE, 0x80], [0xED, 0xAF, 0xBF], [0xED, 0xB0, 0x80], [0xED, 0xBE, 0x80], [0xED, 0xBF, 0xBF], [0xED, 0xA0, 0x80, 0xED, 0xB0, 0x80], [0xED, 0xAF, 0xBF, 0xED, 0xBF, 0xBF] })
        {
            yield return ($"the surrogate {Convert.ToHexString(surrogate)}", surrogate, 1);
        }

        // Beyond U+10FFFF.
        foreach (byte[] beyond in new byte[][] { [0xF4, 0x90, 0x80, 0x80], [0xF4, 0xBF, 0xBF, 0xBF], [0xF5, 0x80, 0x80, 0x80], [0xF7, 0xBF, 0xBF, 0xBF], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFB, 0xBF, 0xBF, 0xBF, 0xBF], [0xFC, 0x84, 0x80, 0x80, 0x80, 0x80], [0xFD, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF] })
        {
            yield return ($"{Convert.ToHexString(beyond)}, beyond U+10FFFF", beyond, beyond[0] == 0xF4 ? 1 : 0);
        }
    }

    private static void Broken(Table table, string title, byte[] bytes, int bad)
    {
        table.Group();
        bool repeats = title.StartsWith("the lone continuation", StringComparison.Ordinal) && bytes[0] is not (0x80 or 0xBF);
        byte[] framed = [.. Prefix, .. bytes, .. " and more"u8];
        Frame text = Frame.Text(framed);
        Frame before = Frame.Text("before");
        table.Add("§8.1", title, c => c.Send(text).Fails(1007));
        table.Add("§8.1", title + ", alone", c => c.Send(Frame.Text(bytes)).Fails(1007));
        table.Add("§8.1", title + ", after a good text", c => c.Send(before, text).Echo(before).Fails(1007));
        table.Add("§8.1", title + ", cut to bytes", c => c.Send(Cut.Bytes, text).Fails(1007));
        table.Add("§8.1", title + ", a fragment per byte", c => c.Send(Bytes.Fragments(1, Bytes.Split(framed, 1))).Fails(1007).Strict(repeats));

        // The frame announces more, and the first bad byte is the last that comes: waiting for the rest would be for ever.
        byte[] upToBad = [.. Prefix, .. bytes[..(bad + 1)]];
        table.Add("§8.1", title + ", failing fast inside a frame", c => c.Send(Frame.Text(upToBad) with { Declared = (ulong)upToBad.Length + 1000 }).Fails(1007));
        table.Add("§8.1", title + ", failing fast inside a frame, cut to bytes", c => c.Send(Cut.Bytes, Frame.Text(upToBad) with { Declared = (ulong)upToBad.Length + 70000 }).Fails(1007).Strict(repeats));
        table.Add("§8.1", title + ", failing fast in an open message", c => c.Send(Frame.Text(upToBad).More).Fails(1007).Strict(repeats));

        // All bytes before the bad one are fine, as a pong between shows; then the bad one comes.
        byte[] good = [.. Prefix, .. bytes[..bad]];
        table.Add("§8.1", title + ", the first bad byte alone in the next fragment", c => c.Send(Frame.Text(good).More, Frame.Ping([2])).Await(0, 1).Send(Frame.Continue(bytes[bad..(bad + 1)]).More).Pong([2]).Fails(1007));
    }

    // A sequence that the message's end cuts off.
    private static void Incomplete(Table table)
    {
        foreach (byte[] whole in new byte[][] { [0xC3, 0xA9], [0xE0, 0xA0, 0x80], [0xE2, 0x82, 0xAC], [0xED, 0x9F, 0xBF], [0xF0, 0x90, 0x80, 0x80], [0xF0, 0x9D, 0x84, 0x9E], [0xF4, 0x8F, 0xBF, 0xBF] })
        {
            table.Group();
            for (int length = 1; length < whole.Length; length++)
            {
                byte[] cut = [.. Prefix, .. whole[..length]];
                string name = Convert.ToHexString(whole.AsSpan(0, length));
                table.Add("§8.1", $"a text that ends inside {name}", c => c.Send(Frame.Text(cut)).Fails(1007));
                table.Add("§8.1", $"a text of {name} only", c => c.Send(Frame.Text(whole[..length])).Fails(1007));
                table.Add("§8.1", $"a text that ends inside {name}, cut to bytes", c => c.Send(Cut.Bytes, Frame.Text(cut)).Fails(1007));
                table.Add("§8.1", $"a text that ends inside {name}, a fragment per byte", c => c.Send(Bytes.Fragments(1, Bytes.Split(cut, 1))).Fails(1007));
                table.Add("§8.1", $"a text that ends inside {name}, in an empty last fragment", c => c.Send(Frame.Text(cut).More, Frame.Ping([3])).Await(0, 1).Send(Frame.Continue([])).Pong([3]).Fails(1007));
                table.Add("§8.1", $"a text that ends inside {name}, then one that would go on", c => c.Send(Frame.Text(cut), Frame.Text(whole[length..])).Fails(1007));
            }
        }
    }

    // What is no text is not looked at.
    private static void Binary(Table table)
    {
        table.Group();
        foreach ((string title, byte[] bytes, _) in Invalid().Where((_, i) => i % 9 == 0))
        {
            table.Add("§5.6", $"{title}, in a binary", c => c.Send(Frame.Binary(bytes)).Echo(Frame.Binary(bytes)));
            table.Add("§5.6", $"{title}, in a ping", c => c.Send(Frame.Ping(bytes)).Pong(bytes));
        }
    }
}
