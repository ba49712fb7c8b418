using System.Text;
using Duologue.Browser;
using Duologue.Fuzz.Engine;

namespace Duologue.Fuzz.Targets;

/// <summary>
/// The URL of the browser class. Input: the URL in UTF-8, in which FE and FF stand for lone surrogates; after a NUL, a base.
/// </summary>
internal sealed class UrlTarget : FuzzTarget
{
    public override string Name => "url";

    public override string Invariant =>
        "A URL is refused with a SyntaxError or comes out as ws or wss, in printable ASCII, without a fragment, and parses to itself; "
        + "resolved against any base, it is the same if it was absolute.";

    public override int MaxLength => 300;

    public override IEnumerable<byte[]> Seeds =>
    [
        [.. "wss://example.com/path?q=1"u8], [.. "ws://user:pa%20ss@[::1]:8080/../a/./b\\c"u8], [.. "http:host"u8], [.. "//h/p\0https://b/c/d"u8], [.. "?q\0ws://b:81/c/d"u8],
        [.. "ws://0x7f.1:080"u8], [.. "ws://bücher.example/ü?ü"u8], [.. "ws://xn--bcher-kva.example"u8], [.. "ws://h#f"u8], [.. "  ws:\t//h\n/"u8], [.. "ws://[::ffff:1.2.3.4]"u8], [.. "ws://%65x%41mple"u8],
    ];

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [.. "ws:"u8], [.. "wss://"u8], [.. "https:"u8], [.. "//"u8], [.. "/"u8], [.. "\\"u8], [.. ":"u8], [.. "@"u8], [.. "?"u8], [.. "#"u8], [.. ".."u8], [.. "."u8], [.. "%2e"u8], [.. "%2F"u8], [.. "%"u8], [.. "["u8], [.. "]"u8],
        [.. "::"u8], [.. "1.2.3.4"u8], [.. "0x"u8], [.. "65535"u8], [.. "65536"u8], [.. "xn--"u8], [.. "ß"u8], [.. "。"u8], [.. "ａ"u8], [.. "\u00AD"u8], [.. "\t"u8], [.. "\0"u8], [.. "host"u8], [0xFE], [0xFF], [.. "%C3%BC"u8], [.. "%ff"u8], [.. "\u0301"u8], [.. "א"u8], [.. "\u200D"u8],
    ];

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        string[] parts = Text(input).Split('\0', 2);
        UrlRecord? absolute = Parse(parts[0], null, out int refused);
        UrlRecord? resolved = absolute;
        if (parts.Length == 2)
        {
            UrlRecord? baseUrl = Parse(parts[1], null, out _);
            resolved = Parse(parts[0], parts[1], out refused);
            InvariantException.Require(resolved is null || baseUrl is not null || parts[1].Contains('#', StringComparison.Ordinal), "no URL comes of a bad base", () => resolved!.Href);
            bool hasHost = parts[0].AsSpan(parts[0].IndexOf(':', StringComparison.Ordinal) + 1).StartsWith("//");
            if (absolute is not null && resolved is not null && hasHost)
            {
                InvariantException.Require(resolved.Href == absolute.Href, "an absolute URL needs no base", () => $"{absolute.Href}, {resolved.Href}");
            }
        }

        if (resolved is not null)
        {
            Check(resolved);
        }

        var signature = new Signature();
        signature.Add(refused);
        if (resolved is not null)
        {
            signature.Add(resolved.Host.StartsWith('[') ? 1 : resolved.Host.Contains("xn--", StringComparison.Ordinal) ? 2 : char.IsAsciiDigit(resolved.Host[^1]) ? 3 : 4);
            signature.AddCount(resolved.Path.Count);
            signature.Add((resolved.Query is null ? 0 : 1) + (resolved.Port is null ? 0 : 2) + (resolved.UserName.Length == 0 ? 0 : 4) + (resolved.Password.Length == 0 ? 0 : 8));
            signature.Add(resolved.Href.Contains('%', StringComparison.Ordinal) ? 1 : 0);
        }

        return signature.Value;
    }

    private static UrlRecord? Parse(string url, string? baseUrl, out int refused)
    {
        refused = 0;
        try
        {
            return WebSocketUrl.Parse(url, baseUrl);
        }
        catch (DomException error)
        {
            InvariantException.Require(error.Name == "SyntaxError" && error.Message.Length > 0, "a URL is refused with a SyntaxError", () => error.ToString());

            // Which refusal: the sentence without what it quotes.
            string[] quotes = error.Message.Split('\'');
            refused = quotes[0].Length + (1000 * (quotes.Length > 1 ? quotes[^1].Length : 0));
            return null;
        }
    }

    private static void Check(UrlRecord url)
    {
        string href = url.Href;
        InvariantException.Require(url.Scheme is "ws" or "wss", "the scheme is ws or wss", () => href);
        InvariantException.Require(href.All(c => c is > ' ' and <= '~') && !href.Contains('#', StringComparison.Ordinal), "a URL is printable ASCII without a fragment", () => href);
        InvariantException.Require(url.Host.Length > 0 && url.Port is null or (>= 0 and <= 65535), "a URL has a host and a port", () => href);
        InvariantException.Require(url.UserName.Length + url.Password.Length == 0 || !href.Contains('@', StringComparison.Ordinal) || url.Path.Any(p => p.Contains('@', StringComparison.Ordinal)) || url.Query?.Contains('@', StringComparison.Ordinal) == true, "no password in a log", () => href);
        _ = url.BasicCredentials;
        UrlRecord? again = Parse(href, null, out _);
        InvariantException.Require(again?.Href == href, "a URL parses to itself", () => $"{href}, then {again?.Href ?? "refused"}");

        // .NET knows fewer hosts than browsers do; what it takes it must take as it stands.
        if (url.ToUri() is { } uri)
        {
            InvariantException.Require(href.EndsWith(uri.PathAndQuery, StringComparison.Ordinal), "System.Uri keeps path and query", () => $"{href}, {uri.PathAndQuery}");
            InvariantException.Require(uri.Port == url.EffectivePort, "System.Uri keeps the port", () => $"{href}, {uri.Port}");
        }
    }

    private static string Text(ReadOnlySpan<byte> input)
    {
        var text = new StringBuilder();
        foreach (Range range in input.SplitAny((byte)0xFE, (byte)0xFF))
        {
            if (range.Start.Value > 0)
            {
                text.Append(input[range.Start.Value - 1] == 0xFE ? '\uD800' : '\uDC00');
            }

            text.Append(Encoding.UTF8.GetString(input[range]));
        }

        return text.ToString();
    }
}
