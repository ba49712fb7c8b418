using System.Text;
using System.Text.RegularExpressions;
using Duologue.Fuzz.Engine;
using Duologue.Protocol.Handshake;

namespace Duologue.Fuzz.Targets;

/// <summary>The header of extensions. Input: its lines.</summary>
internal sealed class ExtensionHeaderTarget : FuzzTarget
{
    private const string Token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";

    private const string QuotedString = "\"((?:[^\"\\\\]|\\\\.)*)\"";

    private const string Space = "[ \\t]*";

    private const string Parameter = $";{Space}{Token}{Space}(?:={Space}(?:{Token}|{QuotedString}){Space})?";

    // 1#extension of one line, empty elements allowed (RFC 6455 §9.1, RFC 9110 §5.6.1.2).
    private static readonly Regex Line = new(
        $"\\A[ \\t,]*(?:{Token}{Space}(?:{Parameter})*(?:,[ \\t,]*|\\z))*\\z", RegexOptions.Singleline | RegexOptions.CultureInvariant);

    private static readonly Regex Quoted = new(QuotedString, RegexOptions.Singleline | RegexOptions.CultureInvariant);

    public override string Name => "extension-header";

    public override string Invariant =>
        "The grammar of RFC 6455 §9.1 decides, as a regular expression reads it; what was parsed is written and parsed to the same; "
        + "checking the form says what parsing says.";

    public override int MaxLength => 9000;

    public override IEnumerable<byte[]> Seeds =>
    [
        [.. "permessage-deflate"u8],
        [.. "permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate"u8],
        [.. "a; b=\"c\"; d=\"\\e\"\nf"u8],
        [.. "foo;bar;baz=\"q\\\"\""u8],
        [.. ", ,"u8],
        [.. string.Join(';', Enumerable.Repeat("a", 102)).Select(c => (byte)c)],
    ];

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [.. "permessage-deflate"u8], [.. "; client_max_window_bits"u8], [.. "; server_max_window_bits=9"u8], [.. "; client_no_context_takeover"u8], [.. ","u8], [.. ";"u8], [.. "="u8],
        [.. "\""u8], [.. "\\"u8], [.. " "u8], [.. "\t"u8], [.. "\n"u8], [.. "\n\0\n"u8], [.. "a"u8], [.. "=\"b\""u8], [.. "\"\\c\""u8], [0xFC], [.. new string('x', 130).Select(c => (byte)c)],
    ];

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        List<string?> values = HeaderInput.Values(input);
        var parsed = new List<Extension>();
        bool accepted = ExtensionHeader.TryParse(values, parsed, out string? error, out bool tooLarge);
        bool formOnly = ExtensionHeader.TryParse(values, null, out string? formError, out bool formTooLarge);
        InvariantException.Require(accepted == formOnly && error == formError && tooLarge == formTooLarge, "checking the form says what parsing says", () => $"{error}, {formError}");
        InvariantException.Require(accepted == (error is null), "an error has a sentence", () => error ?? "none");
        InvariantException.Require(error is null || Sentences.IsSafe(error), "an error is safe to log", () => error!);
        if (!tooLarge && error?.Contains("longer than 128", StringComparison.Ordinal) != true)
        {
            bool expected = values.Count == 0 || IsGrammatical(values);
            InvariantException.Require(accepted == expected, "the grammar decides", () => $"{error ?? "accepted"}: {string.Join('|', values)}");
        }

        if (accepted && parsed.Count > 0)
        {
            CheckRoundTrip(parsed);
        }

        var signature = new Signature();
        signature.Add(error is null ? 0 : error.Length > 8 ? error[5] + (256 * error.Length) : 1);
        signature.AddCount(parsed.Count);
        signature.AddCount(parsed.Sum(extension => extension.Parameters.Count));
        signature.Add(parsed.Any(extension => extension.Parameters.Any(parameter => parameter.Value is null)) ? 1 : 0);
        return signature.Value;
    }

    private static void CheckRoundTrip(List<Extension> parsed)
    {
        string written = string.Join(", ", parsed);
        var again = new List<Extension>();
        bool accepted = ExtensionHeader.TryParse(new[] { written }, again, out string? error, out bool tooLarge);

        // Separators that were left out before can take what was written past the limit of the header.
        if (!accepted && tooLarge && written.Length > HeaderList.MaxLength)
        {
            return;
        }

        InvariantException.Require(accepted && string.Join(", ", again) == written && again.Count == parsed.Count, "what was parsed is written and parsed to the same", () => $"{written}: {error ?? string.Join(", ", again)}");
    }

    private static bool IsGrammatical(List<string?> values)
    {
        bool any = false;
        foreach (string? value in values)
        {
            string line = value ?? "";
            if (!Line.IsMatch(line))
            {
                return false;
            }

            // A quoted value must be a token once its escapes are gone.
            foreach (Match quoted in Quoted.Matches(line))
            {
                if (!HeaderInput.IsToken(Unescape(quoted.Groups[1].Value)))
                {
                    return false;
                }
            }

            any |= line.Any(c => c is not (',' or ' ' or '\t'));
        }

        return any;
    }

    private static string Unescape(string text)
    {
        var result = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            result.Append(text[i] == '\\' ? text[++i] : text[i]);
        }

        return result.ToString();
    }

}
