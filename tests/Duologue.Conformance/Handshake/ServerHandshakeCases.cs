using System.Globalization;
using Duologue.Conformance.Cases;

namespace Duologue.Conformance.Handshake;

/// <summary>A line of family 11.</summary>
/// <param name="Id">The number of the line.</param>
/// <param name="Section">The section it comes from.</param>
/// <param name="Title">What is sent.</param>
/// <param name="Request">The bytes, as Latin-1.</param>
/// <param name="Statuses">The status codes that will do; the RFCs leave the choice open in places.</param>
internal sealed record ServerHandshakeCase(string Id, string Section, string Title, string Request, int[] Statuses)
{
    /// <summary>Stands among the statuses for an end without an answer of HTTP/1.1.</summary>
    public const int NoAnswer = 0;

    /// <summary>Headers that the answer must have, with their values; null for one that it must not have.</summary>
    public IReadOnlyList<KeyValuePair<string, string?>> Headers { get; init; } = [];

    /// <summary>How the request is cut into writes.</summary>
    public Cut Cut { get; init; } = Cut.None;

    public ServerHandshakeCase Has(string name, string value) => this with { Headers = [.. Headers, new(name, value)] };

    public ServerHandshakeCase HasNo(string name) => this with { Headers = [.. Headers, new(name, null)] };
}

/// <summary>Family 11: the opening handshake over HTTP/1.1, the server judged: RFC 6455 §4.2 and §4.4, RFC 9112.</summary>
internal static class ServerHandshakeCases
{
    private const string Sec = "RFC 6455 ";
    private static readonly Request Good = Request.Good;

    public static IReadOnlyList<ServerHandshakeCase> All() =>
    [
        .. Accepted(), .. Missing(), .. Wrong(), .. Doubled(), .. Lists(), .. Oversized(), .. Methods(), .. Bodies(), .. Targets(), .. Syntax(), .. Origins(),
    ];

    private static IEnumerable<ServerHandshakeCase> Number(int group, IEnumerable<ServerHandshakeCase> lines) =>
        lines.Select((line, i) => line with { Id = string.Create(CultureInfo.InvariantCulture, $"11.{group}.{i + 1}") });

    private static ServerHandshakeCase Case(string section, string title, Request request, params int[] statuses) =>
        new("", section.StartsWith('§') ? Sec + section : section, title, request.ToString(), statuses);

    private static IEnumerable<ServerHandshakeCase> Accepted() => Number(1, AcceptedLines());

    private static IEnumerable<ServerHandshakeCase> AcceptedLines()
    {
        yield return Case("§4.2.2", "the smallest complete request", Good, 101).HasNo("Sec-WebSocket-Protocol").HasNo("Sec-WebSocket-Extensions");
        yield return Case("§4.2.2", "cut to bytes", Good, 101) with { Cut = Cut.Bytes };
        yield return Case("§4.2.2", "cut every 7 bytes", Good, 101) with { Cut = Cut.EveryBytes(7) };
        yield return Case("RFC 9110 §5.1", "header names in lower case", Good.Map(line => line[..line.IndexOf(':', StringComparison.Ordinal)].ToLowerInvariant() + line[line.IndexOf(':', StringComparison.Ordinal)..]), 101);
        yield return Case("RFC 9110 §5.1", "header names in upper case", Good.Map(line => line[..line.IndexOf(':', StringComparison.Ordinal)].ToUpperInvariant() + line[line.IndexOf(':', StringComparison.Ordinal)..]), 101);
        yield return Case("RFC 9110 §5.1", "header names in mixed case", Good.Map(line => string.Concat(line.TakeWhile(c => c != ':').Select((c, i) => i % 2 == 0 ? char.ToUpperInvariant(c) : char.ToLowerInvariant(c))) + line[line.IndexOf(':', StringComparison.Ordinal)..]), 101);
        yield return Case("RFC 9110 §5.3", "headers in the opposite order", Good with { Lines = [.. Good.Lines.Reverse()] }, 101);
        yield return Case("RFC 9112 §5.1", "no space behind the colons", Good.Map(line => line.Replace(": ", ":", StringComparison.Ordinal)), 101);
        yield return Case("RFC 9112 §5.1", "spaces and tabs around the values", Good.Map(line => line.Replace(": ", ": \t ", StringComparison.Ordinal) + " \t "), 101);
        foreach (string value in new[] { "WebSocket", "WEBSOCKET", "wEbSoCkEt", "h2c, websocket", "websocket, h2c" })
        {
            yield return Case("§4.2.1", $"Upgrade: {value}", Good.Set("Upgrade", value), 101);
        }

        foreach (string value in new[] { "upgrade", "UPGRADE", "keep-alive, Upgrade", "Upgrade, keep-alive", "keep-alive,Upgrade", " , Upgrade , " })
        {
            yield return Case("§4.2.1", $"Connection: {value}", Good.Set("Connection", value), 101);
        }

        // Kestrel takes no tab for white space here, and then cannot upgrade; RFC 9110 §5.6.3 has it as one.
        yield return Case("§4.2.1", "tabs around the comma in Connection", Good.Set("Connection", "keep-alive\t,\tupgrade"), 101, 501);
        yield return Case("§4.2.1", "Connection in two lines", Good.Set("Connection", "keep-alive").Add("Connection: Upgrade"), 101);
        yield return Case("§4.2.1", "another key", Good.Set("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEA=="), 101).Has("Sec-WebSocket-Accept", "C/0nmHhBztSRGR1CwL6Tf4ZjwpY=");
        yield return Case("§1.3", "the key of the RFC's example", Good, 101).Has("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        yield return Case("§4.1", "fifty headers that mean nothing", Good.Add([.. Enumerable.Range(0, 50).Select(i => $"X-Number-{i}: {i}")]), 101);
        yield return Case("§4.1", "a cookie and a user agent", Good.Add("Cookie: a=b; c=d", "User-Agent: hostile/1.0"), 101);
        yield return Case("§4.2.2", "a subprotocol that the server speaks", Good.Add("Sec-WebSocket-Protocol: v1"), 101).Has("Sec-WebSocket-Protocol", "v1");
        yield return Case("§4.2.2", "both subprotocols: the server's order decides", Good.Add("Sec-WebSocket-Protocol: v1, v2"), 101).Has("Sec-WebSocket-Protocol", "v2");
        yield return Case("§11.3.4", "both subprotocols in two lines", Good.Add("Sec-WebSocket-Protocol: v1", "Sec-WebSocket-Protocol: v2"), 101).Has("Sec-WebSocket-Protocol", "v2");
        yield return Case("§4.2.2", "a subprotocol that the server does not speak", Good.Add("Sec-WebSocket-Protocol: v3"), 101).HasNo("Sec-WebSocket-Protocol");
        yield return Case("§4.2.2", "a subprotocol in another case is another", Good.Add("Sec-WebSocket-Protocol: V1"), 101).HasNo("Sec-WebSocket-Protocol");
        yield return Case("§9.1", "an extension that nobody knows", Good.Add("Sec-WebSocket-Extensions: x-unknown; a=1; b=\"2\""), 101).HasNo("Sec-WebSocket-Extensions");
        yield return Case("§9.1", "several extensions in two lines", Good.Add("Sec-WebSocket-Extensions: x-one, x-two; c", "Sec-WebSocket-Extensions: x-three"), 101).HasNo("Sec-WebSocket-Extensions");
    }

    private static IEnumerable<ServerHandshakeCase> Missing() => Number(2,
    [
        Case("§4.2.1", "no Host", Good.Without("Host"), 400),
        Case("§4.2.1", "no Connection", Good.Without("Connection"), 400, 426),
        Case("§4.2.1", "no Upgrade", Good.Without("Upgrade"), 426).Has("Upgrade", "websocket"),
        Case("§4.2.1", "no Sec-WebSocket-Key", Good.Without("Sec-WebSocket-Key"), 400),
        Case("§4.4", "no Sec-WebSocket-Version", Good.Without("Sec-WebSocket-Version"), 426, 400).Has("Sec-WebSocket-Version", "13"),
        Case("§4.2.1", "neither Connection nor Upgrade: a plain GET", Good.Without("Connection").Without("Upgrade"), 426).Has("Upgrade", "websocket"),
        Case("§4.2.1", "no header at all", Good with { Lines = [] }, 400),
    ]);

    private static IEnumerable<ServerHandshakeCase> Wrong()
    {
        var lines = new List<ServerHandshakeCase>();
        foreach (string value in new[] { "", "h2c", "http/2.0", "websockets", "web socket", "websocket/13", "\"websocket\"", "xwebsocket" })
        {
            lines.Add(Case("§4.2.1", $"Upgrade: {value}", Good.Set("Upgrade", value), 426).Has("Upgrade", "websocket"));
        }

        foreach (string value in new[] { "", "close", "keep-alive", "Upgraded", "no-upgrade", "Up grade" })
        {
            lines.Add(Case("§4.2.1", $"Connection: {value}", Good.Set("Connection", value), 400, 426));
        }

        foreach (string value in new[] { "", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub24=", "dGhlIHNhbXBsZSBub25jZWU=", "dGhlIHNhbXBsZSBub25jZSEhISE=", "dGhlIHNhbXBs ZSBub25jZQ==", "dGhlIHNhbXBsZSBub25_-Q==", "!!!!!!!!!!!!!!!!!!!!!!==", "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==", "========================" })
        {
            lines.Add(Case("§4.2.1", $"Sec-WebSocket-Key: {value}", Good.Set("Sec-WebSocket-Key", value), 400));
        }

        foreach (string value in new[] { "", "0", "7", "8", "12", "14", "25", "130", "255", "256", "-13", "+13", "13.0", "0x0d", "thirteen", "8, 13", "13, 8", "13;q=1" })
        {
            lines.Add(Case("§4.4", $"Sec-WebSocket-Version: {value}", Good.Set("Sec-WebSocket-Version", value), 426).Has("Sec-WebSocket-Version", "13"));
        }

        // §4.2.1 has the version's digits without leading zeros.
        lines.Add(Case("§4.1", "Sec-WebSocket-Version: 013", Good.Set("Sec-WebSocket-Version", "013"), 426).Has("Sec-WebSocket-Version", "13"));
        lines.Add(Case("§4.4", "another version and no key: its client must learn of 13", Good.Set("Sec-WebSocket-Version", "8").Without("Sec-WebSocket-Key"), 426).Has("Sec-WebSocket-Version", "13"));
        foreach (string value in new[] { "", "a b", "local/host", "local\\host", "@" })
        {
            lines.Add(Case("RFC 9112 §3.2", $"Host: {value}", Good.Set("Host", value), value.Length == 0 ? [101, 400] : [400]));
        }

        return Number(3, lines);
    }

    private static IEnumerable<ServerHandshakeCase> Doubled() => Number(4,
    [
        Case("RFC 9112 §3.2", "Host twice", Good.Add("Host: localhost"), 400),
        Case("RFC 9112 §3.2", "Host twice, differing", Good.Add("Host: example.com"), 400),
        Case("§11.3.1", "Sec-WebSocket-Key twice, the same", Good.Add($"Sec-WebSocket-Key: {Request.Key}"), 400),
        Case("§11.3.1", "Sec-WebSocket-Key twice, differing", Good.Add("Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=="), 400),
        Case("§11.3.5", "Sec-WebSocket-Version twice, the same", Good.Add("Sec-WebSocket-Version: 13"), 400, 426),
        Case("§11.3.5", "Sec-WebSocket-Version twice, differing", Good.Add("Sec-WebSocket-Version: 8"), 400, 426),
        Case("RFC 9110 §5.3", "Upgrade twice, which makes a list", Good.Add("Upgrade: websocket"), 101),
        Case("RFC 9110 §5.3", "Connection twice, which makes a list", Good.Add("Connection: Upgrade"), 101),
        Case("§10.2", "Origin twice", Good.Add("Origin: http://localhost", "Origin: http://localhost"), 400, 403),
    ]);

    private static IEnumerable<ServerHandshakeCase> Lists()
    {
        var lines = new List<ServerHandshakeCase>();
        foreach (string value in new[] { "v1, v1", "v 1", "v1;x", "\"v1\"", "v1, v/2", "v1, (v2)", "v=1" })
        {
            lines.Add(Case("§4.1", $"Sec-WebSocket-Protocol: {value}", Good.Add($"Sec-WebSocket-Protocol: {value}"), 400));
        }

        foreach (string value in new[] { ";", "x;", "; a=1", "x; =1", "x; a=", "x y", "x; a=\"1", "x; a=\"b c\"", "x=1", "\"x\"", "x; a=1 2", "x; a=b=c", "x, ;", "(x)" })
        {
            lines.Add(Case("§9.1", $"Sec-WebSocket-Extensions: {value}", Good.Add($"Sec-WebSocket-Extensions: {value}"), 400));
        }

        return Number(5, lines);
    }

    private static IEnumerable<ServerHandshakeCase> Oversized() => Number(6,
    [
        Case("RFC 9112 §5.4", "a header of 8 KiB", Good.Add("X-Long: " + new string('x', 8192)), 101),
        Case("RFC 6585 §5", "a header of 64 KiB", Good.Add("X-Long: " + new string('x', 65536)), 431),
        Case("RFC 6585 §5", "a thousand headers", Good.Add([.. Enumerable.Range(0, 1000).Select(i => $"X-{i}: {i}")]), 431),
        Case("RFC 9112 §3", "a target of 64 KiB", Good.Line("GET /chat?" + new string('x', 65536) + " HTTP/1.1"), 414),
        Case("§4.2.1", "a key of 4 KiB", Good.Set("Sec-WebSocket-Key", new string('A', 4096)), 400),
        Case("§4.4", "a version of 4 KiB", Good.Set("Sec-WebSocket-Version", new string('1', 4096)), 426),
        Case("§4.2.1", "an Upgrade of 4 KiB", Good.Set("Upgrade", new string('w', 4096)), 426),
        Case("§4.2.1", "a Connection of 4 KiB", Good.Set("Connection", new string('u', 4096)), 400, 426),
        Case("RFC 6585 §5", "a thousand subprotocols", Good.Add("Sec-WebSocket-Protocol: " + string.Join(", ", Enumerable.Range(0, 1000).Select(i => $"p{i}"))), 431),
        Case("RFC 6585 §5", "a thousand extensions", Good.Add("Sec-WebSocket-Extensions: " + string.Join(", ", Enumerable.Range(0, 1000).Select(i => $"x{i}"))), 431),
        Case("RFC 6585 §5", "an extension with a thousand parameters", Good.Add("Sec-WebSocket-Extensions: x; " + string.Join("; ", Enumerable.Range(0, 1000).Select(i => $"a{i}"))), 431),
    ]);

    private static IEnumerable<ServerHandshakeCase> Methods()
    {
        var lines = new List<ServerHandshakeCase>();
        foreach (string method in new[] { "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "get", "Get", "BREW" })
        {
            lines.Add(Case("§4.2.1", $"method {method}", Good.Line($"{method} /chat HTTP/1.1"), 400, 405, 501));
        }

        lines.Add(Case("§4.2.1", "method CONNECT", Good.Line("CONNECT /chat HTTP/1.1"), 400, 405));
        lines.Add(Case("§4.2.1", "HTTP/1.0", Good.Line("GET /chat HTTP/1.0"), 400, 426, 505));
        foreach (string version in new[] { "HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3", "HTTP/11", "http/1.1", "HTTP/1.1 ", "" })
        {
            lines.Add(Case("RFC 9112 §2.3", $"version \"{version}\"", Good.Line($"GET /chat {version}"), 400, 426, 505));
        }

        return Number(7, lines);
    }

    // Behind the head the frames begin: a body has no place.
    private static IEnumerable<ServerHandshakeCase> Bodies() => Number(8,
    [
        Case("§4.1", "Content-Length: 0", Good.Add("Content-Length: 0"), 101),
        Case("§4.1", "a body of five bytes", Good.Add("Content-Length: 5").Behind("hello"), 400),
        Case("§4.1", "a body that is announced and not sent", Good.Add("Content-Length: 5"), 400),
        Case("§4.1", "a chunked body", Good.Add("Transfer-Encoding: chunked").Behind("5\r\nhello\r\n0\r\n\r\n"), 400),
        Case("§4.1", "an empty chunked body", Good.Add("Transfer-Encoding: chunked").Behind("0\r\n\r\n"), 400),
        Case("RFC 9112 §6.3", "both lengths", Good.Add("Transfer-Encoding: chunked", "Content-Length: 5").Behind("0\r\n\r\n"), 400),
        Case("RFC 9112 §6.3", "a length that is no number", Good.Add("Content-Length: five"), 400),
        Case("RFC 9112 §6.3", "a negative length", Good.Add("Content-Length: -1"), 400),
        Case("RFC 9112 §6.3", "two lengths that differ", Good.Add("Content-Length: 5", "Content-Length: 6").Behind("hello!"), 400),
        Case("RFC 9112 §6.1", "an unknown transfer coding", Good.Add("Transfer-Encoding: x-unknown"), 400, 501),
    ]);

    private static IEnumerable<ServerHandshakeCase> Targets() => Number(9,
    [
        Case("RFC 9112 §3.2.2", "the target in absolute form", Good.Line("GET http://localhost/chat HTTP/1.1"), 101),
        Case("§3", "a query", Good.Line("GET /chat?room=1&name=%C3%A9 HTTP/1.1"), 101),
        Case("RFC 3986 §2.1", "a percent-encoded path", Good.Line("GET /%63hat HTTP/1.1"), 101),
        Case("RFC 9110 §15.5.5", "a path where nothing is", Good.Line("GET /nothing HTTP/1.1"), 404),
        Case("RFC 9112 §3.2.4", "the asterisk", Good.Line("GET * HTTP/1.1"), 400, 405),
        Case("RFC 9112 §3.2.3", "the authority form", Good.Line("GET localhost:80 HTTP/1.1"), 400, 405),
        Case("RFC 9112 §3.2", "no target", Good.Line("GET HTTP/1.1"), 400),
        Case("RFC 9112 §3.2", "a target without a slash", Good.Line("GET chat HTTP/1.1"), 400, 405),
        Case("RFC 9112 §3", "a space in the target", Good.Line("GET /ch at HTTP/1.1"), 400, 505),
    ]);

    private static IEnumerable<ServerHandshakeCase> Syntax() => Number(10,
    [
        Case("RFC 9112 §5.2", "a folded header line", Good.Add("X-Folded: a", " b"), 400),
        Case("RFC 9112 §5.1", "a space before a colon", Good.Map(line => line.Replace("Upgrade:", "Upgrade :", StringComparison.Ordinal)), 400),
        Case("RFC 9112 §5", "a line without a colon", Good.Add("no colon"), 400),
        Case("RFC 9112 §5", "a line that begins with a colon", Good.Add(": nameless"), 400),
        Case("RFC 9110 §5.5", "a NUL in a value", Good.Add("X-Nul: a\0b"), 400),
        Case("RFC 9110 §5.5", "a carriage return in a value", Good.Add("X-Return: a\rb"), 400),
        Case("RFC 9110 §5.1", "a name with a space", Good.Add("X Name: a"), 400),
        Case("RFC 9112 §3", "no HTTP", Good.Line("hello"), 400),
        Case("RFC 9113 §3.4", "HTTP/2's preface", new Request("PRI * HTTP/2.0", []) { Rest = "SM\r\n\r\n" }, 400, 505, ServerHandshakeCase.NoAnswer),
    ]);

    private static IEnumerable<ServerHandshakeCase> Origins()
    {
        var lines = new List<ServerHandshakeCase>
        {
            Case("§10.2", "no Origin: no browser", Good, 101),
        };
        foreach (string origin in new[] { "https://evil.example", "http://localhost.evil.example", "http://localhost:1", "null", "", "file://", "http://localhost@evil.example", "javascript:alert(1)", "http://evil.example, http://localhost" })
        {
            lines.Add(Case("§10.2", $"Origin: {origin}", Good.Add($"Origin: {origin}"), 403));
        }

        return Number(11, lines);
    }
}
