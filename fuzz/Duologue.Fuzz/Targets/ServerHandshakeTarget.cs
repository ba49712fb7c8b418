using System.Security.Cryptography;
using System.Text;
using Duologue.Fuzz.Engine;
using Duologue.Protocol.Handshake;

namespace Duologue.Fuzz.Targets;

/// <summary>
/// The server's judgement of a request. Input: lines, each with the letter of what it is: M method, H version of HTTP,
/// R :protocol, C Connection, U Upgrade, K key, V version, P subprotocols, E extensions.
/// </summary>
internal sealed class ServerHandshakeTarget : FuzzTarget
{
    private static readonly string[] Supported = ["chat", "json"];

    private static readonly int[] RefusalCodes = [400, 405, 426, 431, 501];

    public override string Name => "server-handshake";

    public override string Invariant =>
        "A request is accepted exactly if RFC 6455 §4.2.1 (or RFC 8441 §5) allows it, with the accept value and the subprotocol that follow; "
        + "a refusal has a status, a sentence that is safe to log, and the headers that go with it.";

    public override IEnumerable<byte[]> Seeds =>
    [
        [.. "MGET\nHHTTP/1.1\nCUpgrade\nUwebsocket\nKdGhlIHNhbXBsZSBub25jZQ==\nV13"u8],
        [.. "MGET\nHHTTP/1.1\nCkeep-alive, upgrade\nUWebSocket\nKdGhlIHNhbXBsZSBub25jZQ==\nV13\nPjson, chat\nEpermessage-deflate; client_max_window_bits"u8],
        [.. "MCONNECT\nHHTTP/2\nRwebsocket\nV13\nPjson"u8],
        [.. "MPOST\nHHTTP/1.0"u8],
        [.. "MGET\nHHTTP/1.1\nCUpgrade\nUwebsocket\nKdGhlIHNhbXBsZSBub25jZQ\nV8"u8],
    ];

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [.. "\nMGET"u8], [.. "\nMCONNECT"u8], [.. "\nHHTTP/1.1"u8], [.. "\nHHTTP/2"u8], [.. "\nRwebsocket"u8], [.. "\nCUpgrade"u8], [.. "\nC"u8], [.. "\nUwebsocket"u8], [.. "\nU"u8],
        [.. "\nKdGhlIHNhbXBsZSBub25jZQ=="u8], [.. "\nK"u8], [.. "\nV13"u8], [.. "\nV"u8], [.. "\nPchat"u8], [.. "\nP"u8], [.. "\nEa;b=c"u8], [.. "\nE"u8], [.. ","u8], [.. " "u8], [.. "\t"u8], [.. "="u8], [.. "\0"u8], [.. "\nK\0"u8], [0x0D], [0x1B],
    ];

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        List<string> lines = HeaderInput.Lines(input);
        string? protocol = HeaderInput.Tagged(lines, 'R').FirstOrDefault();
        var request = new ServerHandshakeRequest<List<string?>>
        {
            Method = HeaderInput.Tagged(lines, 'M').FirstOrDefault() ?? "GET",
            HttpVersion = HeaderInput.Tagged(lines, 'H').FirstOrDefault() ?? "HTTP/1.1",
            ConnectProtocol = protocol,
            Connection = HeaderInput.Tagged(lines, 'C'),
            Upgrade = HeaderInput.Tagged(lines, 'U'),
            Key = HeaderInput.Tagged(lines, 'K'),
            Version = HeaderInput.Tagged(lines, 'V'),
            Subprotocols = HeaderInput.Tagged(lines, 'P'),
            Extensions = HeaderInput.Tagged(lines, 'E'),
        };
        ServerHandshakeVerdict verdict = ServerHandshake.Judge(request, Supported);
        InvariantException.Require(verdict.IsAccepted == MayBeAccepted(request), "the RFC decides", () => $"{verdict.Failure}: {verdict.Reason}");
        if (verdict.IsAccepted)
        {
            CheckAccepted(request, verdict);
        }
        else
        {
            CheckRefused(verdict);
        }

        var signature = new Signature();
        signature.Add((int)verdict.Failure);
        signature.Add(verdict.StatusCode);
        signature.Add(verdict.Subprotocol ?? "");
        signature.AddCount(verdict.Reason.Length);
        return signature.Value;
    }

    private static bool MayBeAccepted(in ServerHandshakeRequest<List<string?>> request)
    {
        bool version = Single(request.Version) == "13";
        List<string> offers = HeaderInput.Elements(request.Subprotocols);
        bool subprotocols = request.Subprotocols.Count == 0
            || (offers.Count is > 0 and <= HeaderList.MaxElements && offers.All(HeaderInput.IsToken) && offers.Distinct(StringComparer.Ordinal).Count() == offers.Count
                && request.Subprotocols.Sum(line => line?.Length ?? 0) <= HeaderList.MaxLength);

        // The grammar of extensions is the business of its own target.
        bool extensions = ExtensionHeader.TryParse(request.Extensions, null, out _, out _);
        bool rest = version && subprotocols && extensions;
        return request.HttpVersion switch
        {
            "HTTP/1.1" => rest && request.Method == "GET" && Contains(request.Upgrade, "websocket") && Contains(request.Connection, "upgrade") && IsKey(Single(request.Key)),
            "HTTP/2" or "HTTP/3" => rest && request.Method == "CONNECT" && request.ConnectProtocol is { } protocol && HeaderInput.EqualsIgnoreCase(protocol, "websocket"),
            _ => false,
        };
    }

    private static bool Contains(List<string?> values, string token) => HeaderInput.Elements(values).Any(element => HeaderInput.EqualsIgnoreCase(element, token));

    private static string? Single(List<string?> values) => values.Count == 1 ? (values[0] ?? "").Trim(' ', '\t') : null;

    // 22 characters of base64 and two of padding; what the padding leaves over of the last character is free (RFC 4648 §3.5).
    private static bool IsKey(string? key) => key is { Length: 24 } && key.EndsWith("==", StringComparison.Ordinal)
        && key[..22].All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '/') && CanDecode(key);

    private static bool CanDecode(string key) => Convert.TryFromBase64String(key, new byte[18], out int written) && written == 16;

    private static void CheckAccepted(in ServerHandshakeRequest<List<string?>> request, ServerHandshakeVerdict verdict)
    {
        bool upgraded = request.HttpVersion == "HTTP/1.1";
        InvariantException.Require(verdict.StatusCode == (upgraded ? 101 : 200), "the status says accepted", () => $"{verdict.StatusCode}");
#pragma warning disable CA5350 // SHA-1 is what RFC 6455 §4.2.2 prescribes; nothing secret depends on it.
        string? expected = upgraded ? Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(Single(request.Key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))) : null;
#pragma warning restore CA5350
        InvariantException.Require(verdict.Accept == expected, "the accept value proves the key", () => $"{verdict.Accept} for {expected}");
        List<string> offers = HeaderInput.Elements(request.Subprotocols);
        string? subprotocol = Supported.FirstOrDefault(offers.Contains);
        InvariantException.Require(verdict.Subprotocol == subprotocol, "the server's first that is offered is chosen", () => $"{verdict.Subprotocol} for {subprotocol}");
    }

    private static void CheckRefused(ServerHandshakeVerdict verdict)
    {
        InvariantException.Require(RefusalCodes.Contains(verdict.StatusCode), "a refusal has its status", () => $"{verdict.StatusCode}");
        InvariantException.Require(Sentences.IsSafe(verdict.Reason), "a refusal is safe to log", () => verdict.Reason);

        // RFC 9110 §15.5.6: 405 with Allow; §15.5.22: 426 with Upgrade; RFC 6455 §4.4: the version that would do.
        InvariantException.Require(verdict.StatusCode != 405 || verdict.Headers.Any(header => header.Key == "Allow"), "405 names what is allowed", () => "");
        InvariantException.Require(verdict.StatusCode != 426 || verdict.Headers.Any(header => header.Key == "Upgrade"), "426 names the protocol", () => "");
        InvariantException.Require(
            verdict.Failure != ServerHandshakeFailure.Version || verdict.Headers.Any(header => header.Key == "Sec-WebSocket-Version" && header.Value == "13"),
            "a wrong version learns the right one",
            () => "");
    }
}
