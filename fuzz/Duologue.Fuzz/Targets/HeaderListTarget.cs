using Duologue.Fuzz.Engine;
using Duologue.Protocol.Handshake;

namespace Duologue.Fuzz.Targets;

/// <summary>Headers that are lists. Input: their lines.</summary>
internal sealed class HeaderListTarget : FuzzTarget
{
    private static readonly string[] Tokens = ["Upgrade", "websocket", "a"];

    public override string Name => "header-list";

    public override string Invariant => "The elements are those that splitting at commas and trimming gives; a token is found exactly if it is among them.";

    public override IEnumerable<byte[]> Seeds => [[.. "Upgrade"u8], [.. "keep-alive, Upgrade"u8], [.. ",, a ,\tb\n\0\nc"u8]];

    public override IReadOnlyList<byte[]> Dictionary { get; } =
        [[.. ","u8], [.. " "u8], [.. "\t"u8], [.. "\n"u8], [.. "\n\0\n"u8], [.. "Upgrade"u8], [.. "upgrade"u8], [.. "keep-alive"u8], [.. "websocket"u8], [.. "a"u8], [0xA0], [0xC5]];

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        List<string?> values = HeaderInput.Values(input);
        List<string> expected = HeaderInput.Elements(values);
        var elements = new List<string>();
        foreach (ReadOnlySpan<char> element in HeaderList.Elements(values))
        {
            elements.Add(element.ToString());
        }

        InvariantException.Require(expected.SequenceEqual(elements), "the elements are those of a plain split", () => string.Join('|', elements));
        foreach (string token in Tokens.Concat(expected.Where(element => element.All(char.IsAscii)).Take(3)))
        {
            bool found = HeaderList.ContainsIgnoreCase(values, token);
            InvariantException.Require(found == expected.Any(element => HeaderInput.EqualsIgnoreCase(element, token)), "a token is found if it is there", () => token);
        }

        var signature = new Signature();
        signature.AddCount(values.Count);
        signature.AddCount(elements.Count);
        signature.Add(values.Contains(null) ? 1 : 0);
        signature.Add(elements.Count > 0 ? elements[0][0] : 0);
        return signature.Value;
    }
}
