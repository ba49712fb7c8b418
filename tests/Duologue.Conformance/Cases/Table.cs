using System.Globalization;
using System.Text;

namespace Duologue.Conformance.Cases;

/// <summary>Collects the lines of one family and numbers them: family.group.line.</summary>
internal sealed class Table(int family)
{
    private readonly List<Case> _lines = [];
    private int _group;
    private int _line;

    public IReadOnlyList<Case> Lines => _lines;

    /// <summary>Begins a group.</summary>
    public void Group()
    {
        _group++;
        _line = 0;
    }

    /// <summary>Adds a line. Sections are of RFC 6455 where no other is named.</summary>
    public void Add(string section, string title, Func<Case, Case> what) => _lines.Add(what(new Case(
        string.Create(CultureInfo.InvariantCulture, $"{family}.{_group}.{++_line}"),
        section.StartsWith('§') ? "RFC 6455 " + section : section,
        title)));
}

/// <summary>Payloads: the same in every run.</summary>
internal static class Bytes
{
    private static readonly string[] Words = ["full", "duplex", "ünïcode", "κόσμε", "messages", "日本", "𝄞", "between", "peers", "{\"id\":"];

    public static byte[] Binary(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Valid UTF-8 of exactly so many bytes, with characters of all lengths.</summary>
    public static byte[] Text(int length)
    {
        byte[] bytes = new byte[length];
        var random = new Random(length);
        int at = 0;
        while (at < length)
        {
            byte[] word = Encoding.UTF8.GetBytes(Words[random.Next(Words.Length)] + " ");
            if (word.Length > length - at)
            {
                bytes.AsSpan(at).Fill((byte)'.');
                break;
            }

            word.CopyTo(bytes, at);
            at += word.Length;
        }

        return bytes;
    }

    public static byte[] Repeat(byte value, int length)
    {
        byte[] bytes = new byte[length];
        bytes.AsSpan().Fill(value);
        return bytes;
    }

    /// <summary>A message in pieces: a first frame, continuations, and a last one with FIN.</summary>
    public static Judge.Frame[] Fragments(int opcode, params byte[][] pieces) =>
        [.. pieces.Select((piece, i) => new Judge.Frame(i == 0 ? opcode : 0, piece) { Fin = i == pieces.Length - 1 })];

    /// <summary>Pieces of a size; the last may be shorter.</summary>
    public static byte[][] Split(byte[] bytes, int size) => bytes.Length == 0 ? [[]] : [.. bytes.Chunk(size)];
}
