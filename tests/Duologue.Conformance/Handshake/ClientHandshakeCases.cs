using System.Globalization;
using Duologue.Conformance.Cases;
using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Handshake;

/// <summary>What a hostile server does once its answer is out.</summary>
internal enum Afterwards
{
    /// <summary>Waits for the client.</summary>
    Wait,

    /// <summary>Ends with FIN.</summary>
    End,

    /// <summary>Ends with RST.</summary>
    Reset,

    /// <summary>Sends a byte of the head now and then, without end.</summary>
    Drip,
}

/// <summary>A line of family 12.</summary>
/// <param name="Id">The number of the line.</param>
/// <param name="Section">The section it comes from.</param>
/// <param name="Title">What is answered.</param>
/// <param name="Answer">The bytes, as Latin-1; <c>{accept}</c> stands for the right proof.</param>
/// <param name="Opens">Whether the client must take it; otherwise it must refuse with a HandshakeException and end the connection.</param>
internal sealed record ClientHandshakeCase(string Id, string Section, string Title, string Answer, bool Opens)
{
    /// <summary>The subprotocols that the client offers.</summary>
    public IReadOnlyList<string> Offer { get; init; } = [];

    /// <summary>The subprotocol that the client must report.</summary>
    public string? Subprotocol { get; init; }

    /// <summary>The status that the exception must have; 0 for any.</summary>
    public int Status { get; init; }

    public Cut Cut { get; init; } = Cut.None;

    /// <summary>Frames right behind the head, in the same write, and what must come back for them.</summary>
    public IReadOnlyList<Frame> Early { get; init; } = [];

    public Afterwards Afterwards { get; init; }
}

/// <summary>Family 12: the opening handshake over HTTP/1.1, the client judged: RFC 6455 §4.1.</summary>
internal static class ClientHandshakeCases
{
    private const string Accept = "Sec-WebSocket-Accept: {accept}";
    private static readonly string[] Three = ["Upgrade: websocket", "Connection: Upgrade", Accept];

    public static IReadOnlyList<ClientHandshakeCase> All() =>
    [
        .. Number(1, Opening()), .. Number(2, Proof()), .. Number(3, Headers()), .. Number(4, Choices()), .. Number(5, Statuses()), .. Number(6, Heads()),
    ];

    private static IEnumerable<ClientHandshakeCase> Number(int group, IEnumerable<ClientHandshakeCase> lines) =>
        lines.Select((line, i) => line with { Id = string.Create(CultureInfo.InvariantCulture, $"12.{group}.{i + 1}") });

    private static string Answer(params string[] lines) => string.Join("\r\n", ["HTTP/1.1 101 Switching Protocols", .. lines, "", ""]);

    private static ClientHandshakeCase Opens(string section, string title, string answer) => new("", Sec(section), title, answer, true);

    private static ClientHandshakeCase Fails(string section, string title, string answer) => new("", Sec(section), title, answer, false);

    private static string Sec(string section) => section.StartsWith('§') ? "RFC 6455 " + section : section;

    private static IEnumerable<ClientHandshakeCase> Opening()
    {
        yield return Opens("§4.1", "the smallest complete answer", Answer(Three));
        yield return Opens("§4.1", "cut to bytes", Answer(Three)) with { Cut = Cut.Bytes };
        yield return Opens("§4.1", "in the opposite order", Answer([.. Three.Reverse()]));
        yield return Opens("RFC 9110 §5.1", "header names in lower case", Answer("upgrade: websocket", "connection: Upgrade", "sec-websocket-accept: {accept}"));
        yield return Opens("RFC 9110 §5.1", "header names in upper case", Answer("UPGRADE: websocket", "CONNECTION: Upgrade", "SEC-WEBSOCKET-ACCEPT: {accept}"));
        yield return Opens("§4.1", "Upgrade: WebSocket", Answer("Upgrade: WebSocket", "Connection: Upgrade", Accept));
        yield return Opens("§4.1", "Upgrade: WEBSOCKET", Answer("Upgrade: WEBSOCKET", "Connection: Upgrade", Accept));
        yield return Opens("§4.1", "Connection: upgrade", Answer("Upgrade: websocket", "Connection: upgrade", Accept));
        yield return Opens("§4.1", "Connection: keep-alive, Upgrade", Answer("Upgrade: websocket", "Connection: keep-alive, Upgrade", Accept));
        yield return Opens("§4.1", "Connection in two lines", Answer("Upgrade: websocket", "Connection: keep-alive", "Connection: Upgrade", Accept));
        yield return Opens("RFC 9112 §5.1", "no space behind the colons, and spaces at the ends", Answer("Upgrade:websocket ", "Connection:Upgrade ", "Sec-WebSocket-Accept:{accept} "));
        yield return Opens("RFC 9112 §4", "another reason phrase", Answer(Three).Replace("Switching Protocols", "Let us talk", StringComparison.Ordinal));
        yield return Opens("RFC 9112 §4", "an empty reason phrase", Answer(Three).Replace("Switching Protocols", "", StringComparison.Ordinal));
        yield return Opens("§4.1", "forty headers that mean nothing", Answer([.. Three, .. Enumerable.Range(0, 40).Select(i => $"X-{i}: {i}")]));
        yield return Opens("RFC 8297 §2", "an interim answer before", "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n" + Answer(Three));
        Frame text = Frame.Text("early");
        yield return Opens("§4.1", "a text right behind the head", Answer(Three)) with { Early = [text] };
        yield return Opens("§4.1", "ten texts right behind the head", Answer(Three)) with { Early = [.. Enumerable.Repeat(text, 10)] };
        yield return Opens("§4.1", "a binary of 100,000 bytes right behind the head", Answer(Three)) with { Early = [Frame.Binary(Bytes.Binary(100_000))] };
        yield return Opens("§4.1", "a text right behind the head, all cut to bytes", Answer(Three)) with { Early = [text], Cut = Cut.Bytes };
        yield return Opens("§4.2.2", "a subprotocol of those offered", Answer([.. Three, "Sec-WebSocket-Protocol: v1"])) with { Offer = ["v2", "v1"], Subprotocol = "v1" };
        yield return Opens("§4.1", "none of the subprotocols offered", Answer(Three)) with { Offer = ["v2", "v1"] };
    }

    private static IEnumerable<ClientHandshakeCase> Proof()
    {
        string[] two = ["Upgrade: websocket", "Connection: Upgrade"];
        yield return Fails("§4.1", "no Sec-WebSocket-Accept", Answer(two));
        foreach (string value in new[] { "", "x", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "dGhlIHNhbXBsZSBub25jZQ==", "{accept}x", "x{accept}", "\"{accept}\"", "{ACCEPT}", "{accept}, {accept}" })
        {
            yield return Fails("§4.1", $"Sec-WebSocket-Accept: {value}", Answer([.. two, $"Sec-WebSocket-Accept: {value}"]));
        }

        yield return Fails("§11.3.3", "Sec-WebSocket-Accept twice, both right", Answer([.. two, Accept, Accept]));
        yield return Fails("§11.3.3", "Sec-WebSocket-Accept twice, one wrong", Answer([.. two, Accept, "Sec-WebSocket-Accept: x"]));
    }

    private static IEnumerable<ClientHandshakeCase> Headers()
    {
        yield return Fails("§4.1", "no Upgrade", Answer("Connection: Upgrade", Accept));
        yield return Fails("§4.1", "no Connection", Answer("Upgrade: websocket", Accept));
        yield return Fails("§4.1", "no header at all", Answer());
        foreach (string value in new[] { "", "h2c", "websockets", "websocket/13", "web socket", "websocket, h2c" })
        {
            yield return Fails("§4.1", $"Upgrade: {value}", Answer($"Upgrade: {value}", "Connection: Upgrade", Accept));
        }

        yield return Fails("§4.1", "Upgrade twice", Answer("Upgrade: websocket", "Upgrade: h2c", "Connection: Upgrade", Accept));
        foreach (string value in new[] { "", "close", "keep-alive", "Upgraded", "no-upgrade" })
        {
            yield return Fails("§4.1", $"Connection: {value}", Answer("Upgrade: websocket", $"Connection: {value}", Accept));
        }
    }

    private static IEnumerable<ClientHandshakeCase> Choices()
    {
        yield return Fails("§4.1", "a subprotocol where none was offered", Answer([.. Three, "Sec-WebSocket-Protocol: v1"]));
        yield return Fails("§4.1", "a subprotocol that was not offered", Answer([.. Three, "Sec-WebSocket-Protocol: v3"])) with { Offer = ["v2", "v1"] };
        yield return Fails("§4.1", "a subprotocol in another case", Answer([.. Three, "Sec-WebSocket-Protocol: V1"])) with { Offer = ["v1"] };
        yield return Fails("§4.1", "two subprotocols in one line", Answer([.. Three, "Sec-WebSocket-Protocol: v1, v2"])) with { Offer = ["v2", "v1"] };
        yield return Fails("§11.3.4", "two subprotocols in two lines", Answer([.. Three, "Sec-WebSocket-Protocol: v1", "Sec-WebSocket-Protocol: v2"])) with { Offer = ["v2", "v1"] };
        yield return Fails("§11.3.4", "the same subprotocol twice", Answer([.. Three, "Sec-WebSocket-Protocol: v1", "Sec-WebSocket-Protocol: v1"])) with { Offer = ["v1"] };
        yield return Fails("§4.1", "an empty subprotocol", Answer([.. Three, "Sec-WebSocket-Protocol: "])) with { Offer = ["v1"] };
        foreach (string value in new[] { "x-unknown", "permessage-deflate", "permessage-deflate; server_no_context_takeover", "permessage-bzip2", "x-webkit-deflate-frame", "", "x;", "x; a=", "x y", "; a" })
        {
            yield return Fails("§4.1", $"Sec-WebSocket-Extensions: {value}, where none was offered", Answer([.. Three, $"Sec-WebSocket-Extensions: {value}"]));
        }
    }

    private static IEnumerable<ClientHandshakeCase> Statuses()
    {
        foreach (int status in new[] { 200, 201, 202, 204, 206, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 413, 414, 417, 421, 425, 426, 429, 431, 451, 500, 501, 502, 503, 504, 505, 511, 599 })
        {
            string extra = status switch { >= 300 and < 400 => "Location: /elsewhere\r\n", 401 => "WWW-Authenticate: Basic realm=\"x\"\r\n", 426 => "Sec-WebSocket-Version: 13\r\n", _ => "" };
            bool hasBody = status is not (204 or 304);
            string body = hasBody ? "Content-Length: 4\r\n\r\nnope" : "\r\n";
            yield return Fails("§4.1", $"status {status}", $"HTTP/1.1 {status} Whatever\r\n{extra}{body}") with { Status = status };
        }

        // With everything that a 101 has, but another status.
        foreach (int status in new[] { 200, 404, 426, 503 })
        {
            yield return Fails("§4.1", $"status {status} with the headers of a 101", Answer([.. Three, "Content-Length: 0"]).Replace("101 Switching Protocols", $"{status} No", StringComparison.Ordinal)) with { Status = status };
        }

        yield return Fails("§4.1", "status 200 with a body without end", "HTTP/1.1 200 OK\r\n\r\n" + new string('x', 5000)) with { Afterwards = Afterwards.End, Status = 200 };
        yield return Fails("§4.1", "status 200 with a chunked body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n") with { Status = 200 };
        yield return Fails("§4.1", "status 200 with a body that does not come", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        yield return Fails("RFC 9110 §15.2", "only an interim answer, then the end", "HTTP/1.1 103 Early Hints\r\n\r\n") with { Afterwards = Afterwards.End };
        yield return Fails("RFC 9110 §15.2", "interim answers only, then silence", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
    }

    private static IEnumerable<ClientHandshakeCase> Heads()
    {
        string good = Answer(Three);
        yield return Fails("RFC 9112 §2.2", "a head of 100 KiB in one header", Answer([.. Three, "X-Long: " + new string('x', 100 * 1024)]));
        yield return Fails("RFC 9112 §2.2", "a head of 100 KiB in many headers", Answer([.. Three, .. Enumerable.Range(0, 2000).Select(i => $"X-{i}: {new string('x', 50)}")]));
        yield return Fails("RFC 9112 §2.2", "a reason phrase of 100 KiB", good.Replace("Switching Protocols", new string('x', 100 * 1024), StringComparison.Ordinal));
        yield return Fails("RFC 9112 §2.2", "a head that does not end, then silence", good[..^2]);
        yield return Fails("RFC 9112 §2.2", "a head that never ends, a byte now and then", "HTTP/1.1 101 S\r\nX-Drip: ") with { Afterwards = Afterwards.Drip };
        yield return Fails("RFC 9112 §2.2", "silence", "");
        yield return Fails("RFC 9112 §2.2", "the end without an answer", "") with { Afterwards = Afterwards.End };
        yield return Fails("RFC 9112 §2.2", "a reset without an answer", "") with { Afterwards = Afterwards.Reset };
        foreach (int length in new[] { 1, 8, 12, 40, 100 })
        {
            yield return Fails("RFC 9112 §2.2", $"the end after {length} bytes of a good answer", good[..length]) with { Afterwards = Afterwards.End };
        }

        yield return Fails("RFC 9112 §2.2", "the end before the empty line", good[..^2]) with { Afterwards = Afterwards.End };
        foreach (string garbage in new[] { "hello\r\n\r\n", "SSH-2.0-OpenSSH_9.0\r\n", "\x15\x03\x01\x00\x02\x02\x28", "HTTP/1.1\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 99 Low\r\n\r\n", "HTTP/1.1 1010 High\r\n\r\n", "HTTP 101 x\r\n\r\n", "http/1.1 101 x\r\n\r\n", "HTTP/2.0 101 x\r\n\r\n", "\r\n\r\n\r\n\r\n" })
        {
            yield return Fails("RFC 9112 §4", $"an answer that is no HTTP: {garbage.Trim()}", garbage) with { Afterwards = Afterwards.End };
        }

        yield return Fails("RFC 9112 §5", "a header without a colon", Answer([.. Three, "no colon"])) with { Afterwards = Afterwards.End };
        yield return Fails("RFC 9112 §5.1", "a header with a space in its name", Answer([.. Three, "X Name: a"])) with { Afterwards = Afterwards.End };
    }
}
