using System.Security.Cryptography;
using System.Text;

namespace Duologue.Cli.Connect;

/// <summary>What the lines of an opening handshake mean, for <c>--explain</c>.</summary>
internal static class HeaderNotes
{
    private const string Guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    private static readonly Dictionary<string, string> Notes = new(StringComparer.OrdinalIgnoreCase)
    {
        [":method"] = "An opening handshake over HTTP/2 is a CONNECT: what follows on this stream goes both ways (RFC 8441 §4).",
        [":protocol"] = "What is to be spoken on the stream: websocket. A server lets this be asked by its setting ENABLE_CONNECT_PROTOCOL (RFC 8441 §3, §5).",
        [":scheme"] = "https for wss, http for ws (RFC 8441 §5).",
        [":authority"] = "Which server is meant, as Host is over HTTP/1.1 (RFC 9113 §8.3.1).",
        [":path"] = "The path and query of the WebSocket URL (RFC 8441 §5).",
        ["Host"] = "Which server is meant; a browser's Origin is compared with it (RFC 9110 §7.2).",
        ["Upgrade"] = "Asks to speak another protocol on this connection, and the answer agrees: websocket (RFC 6455 §4.1).",
        ["Connection"] = "Says that the Upgrade header is for this hop and not to be passed on (RFC 9110 §7.6.1).",
        ["Sec-WebSocket-Version"] = "The version of the protocol; 13 is the only one there is. A server that speaks none offered answers 426 (RFC 6455 §4.4).",
        ["Origin"] = "Which site's page is asking. Browsers always send it and scripts cannot change it, so servers can refuse other sites (RFC 6455 §10.2).",
        ["Authorization"] = "Who is asking. Do not show this line to others.",
        ["Cookie"] = "What the server gave earlier to be known by. Do not show this line to others.",
        ["Set-Cookie"] = "What the server wants to know this client by later.",
        ["User-Agent"] = "The program that is asking.",
        ["Server"] = "The program that answers.",
        ["Date"] = "When the answer was made.",
        ["Content-Length"] = "The bytes of body that follow the head.",
        ["Content-Type"] = "What the body is.",
        ["Location"] = "Where to ask instead. A WebSocket client does not follow by itself.",
        ["Retry-After"] = "How many seconds to wait before asking again.",
        ["WWW-Authenticate"] = "How to say who is asking.",
        ["Proxy-Authorization"] = "Who is asking, for the proxy. Do not show this line to others.",
        ["Alt-Svc"] = "Other ways to reach the same server.",
        ["Transfer-Encoding"] = "How the body's end is told.",
    };

    /// <summary>What the first line of a head means.</summary>
    public static string ExplainStartLine(string line, bool isRequest)
    {
        if (isRequest)
        {
            return line.StartsWith("CONNECT ", StringComparison.Ordinal)
                ? "Asks the proxy for a tunnel to the server."
                : "An opening handshake is a GET over HTTP/1.1 with the path of the WebSocket URL (RFC 6455 §4.1).";
        }

        return ExplainStatus(line.Split(' ', 3) is [_, { } code, ..] ? code : "")
            ?? "The answer. Only 101 opens a WebSocket.";
    }

    private static string? ExplainStatus(string status)
    {
        return status switch
        {
            "101" => "Switching Protocols: after the empty line both sides speak WebSocket (RFC 6455 §4.2.2).",
            "400" => "The server did not understand the request.",
            "401" => "The server wants to know who is asking.",
            "403" => "The server understood and does not allow it, for example because of the Origin.",
            "404" => "There is nothing at this path.",
            "426" => "This path speaks WebSocket only, or another version of it.",
            "503" => "The server takes no more connections now.",
            _ => null,
        };
    }

    /// <summary>What a header means; null for one of the application's own. An answer is checked against the head of the request.</summary>
    public static string? ExplainHeader(string name, string value, bool isRequest, string request)
    {
        if (name == ":status")
        {
            return value == "200"
                ? "OK: both sides speak WebSocket on this stream. No key is answered, HTTP/2 tells by itself that the server knows the protocol (RFC 8441 §5)."
                : ExplainStatus(value) ?? "The answer. Over HTTP/2 only 200 opens a WebSocket.";
        }

        if (name.Equals("Sec-WebSocket-Key", StringComparison.OrdinalIgnoreCase))
        {
            return "16 random bytes in base64. Not a secret: it makes sure that the answer is to this request, by a server that knows the protocol (RFC 6455 §11.3.1).";
        }

        if (name.Equals("Sec-WebSocket-Accept", StringComparison.OrdinalIgnoreCase))
        {
            string expected = ComputeAccept(FindHeader(request, "Sec-WebSocket-Key") ?? "");
            string verdict = value == expected ? "It is what this key asks for." : $"It should be {expected}.";
            return $"base64(SHA-1(key + \"{Guid}\")). {verdict} (RFC 6455 §4.2.2)";
        }

        if (name.Equals("Sec-WebSocket-Protocol", StringComparison.OrdinalIgnoreCase))
        {
            return isRequest
                ? "Subprotocols this client can speak, the preferred first; the server picks at most one. They tell apart services at one URL (RFC 6455 §1.9)."
                : "The subprotocol the server picked from those offered (RFC 6455 §1.9).";
        }

        return name.Equals("Sec-WebSocket-Extensions", StringComparison.OrdinalIgnoreCase)
            ? ExtensionNotes.Explain(value, isRequest)
            : Notes.GetValueOrDefault(name);
    }

    private static string? FindHeader(string head, string name)
    {
        foreach (string line in head.Split("\r\n"))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && line.AsSpan(0, colon).Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return line[(colon + 1)..].Trim();
            }
        }

        return null;
    }

    // SHA-1 is the protocol's choice (RFC 6455 §4.2.2); nothing is kept safe by it.
#pragma warning disable CA5350
    private static string ComputeAccept(string key) => Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + Guid)));
#pragma warning restore CA5350
}
