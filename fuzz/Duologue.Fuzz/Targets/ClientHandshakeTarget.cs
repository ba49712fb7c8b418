using System.Globalization;
using Duologue.Fuzz.Engine;
using Duologue.Protocol.Handshake;

namespace Duologue.Fuzz.Targets;

/// <summary>
/// The client's judgement of an answer. Input: lines, each with the letter of what it is: S status, W its words, U Upgrade,
/// C Connection, A accept value ('$' stands for the right one), P subprotocol, E extensions.
/// </summary>
internal sealed class ClientHandshakeTarget : FuzzTarget
{
    private const string Key = "dGhlIHNhbXBsZSBub25jZQ==";

    // RFC 6455 §1.3.
    private const string Accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    private static readonly string[] Offered = ["chat", "json"];

    public override string Name => "client-handshake";

    public override string Invariant =>
        "An answer is accepted only if it passes the six checks of RFC 6455 §4.1, and then with what was offered; a failure names the "
        + "first broken check in a sentence that is safe to log.";

    public override IEnumerable<byte[]> Seeds =>
    [
        [.. "S101\nUwebsocket\nCUpgrade\nA$"u8],
        [.. "S101\nUWebSocket\nCkeep-alive, Upgrade\nA$\nPjson\nEpermessage-deflate"u8],
        [.. "S101\nUwebsocket\nCUpgrade\nA$\nPother"u8],
        [.. "S101\nUwebsocket\nCUpgrade\nA$\nEother"u8],
        [.. "S404\nWNot Found"u8],
    ];

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [.. "\nS101"u8], [.. "\nS200"u8], [.. "\nUwebsocket"u8], [.. "\nU"u8], [.. "\nCUpgrade"u8], [.. "\nC"u8], [.. "\nA$"u8], [.. "\nA"u8], [.. "\nPchat"u8], [.. "\nPjson"u8], [.. "\nP"u8],
        [.. "\nEpermessage-deflate"u8], [.. "; client_max_window_bits=9"u8], [.. "; server_no_context_takeover"u8], [.. "\nE"u8], [.. ","u8], [.. " "u8], [.. "="u8], [.. "\nWOK"u8], [0x0D], [0x1B],
    ];

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        List<string> lines = HeaderInput.Lines(input);
        int status = int.TryParse(HeaderInput.Tagged(lines, 'S').FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out int given) ? given : 0;
        var response = new ClientHandshakeResponse
        {
            StatusCode = status,
            ReasonPhrase = HeaderInput.Tagged(lines, 'W').FirstOrDefault(),
            Upgrade = Lines(lines, 'U'),
            Connection = Lines(lines, 'C'),
            Accept = [.. Lines(lines, 'A').Select(line => line.Replace("$", Accept, StringComparison.Ordinal))],
            Subprotocol = Lines(lines, 'P'),
            Extensions = Lines(lines, 'E'),
        };
        var handshake = new ClientHandshake(Offered, [new Extension("permessage-deflate", [new ExtensionParameter("client_max_window_bits", null)])], Key);
        ClientHandshakeVerdict verdict = handshake.Judge(response);
        ClientHandshakeFailure expected = Judge(response, verdict);
        InvariantException.Require(verdict.Failure == expected, "the first broken check decides", () => $"{verdict.Failure}, the model says {expected}: {verdict.Reason}");
        InvariantException.Require(verdict.IsAccepted == (verdict.Reason.Length == 0), "a failure has a sentence", () => verdict.Reason);
        InvariantException.Require(verdict.IsAccepted || Sentences.IsSafe(verdict.Reason), "a failure is safe to log", () => verdict.Reason);
        if (verdict.IsAccepted)
        {
            string? subprotocol = response.Subprotocol.Count == 0 ? null : response.Subprotocol[0].Trim(' ', '\t');
            InvariantException.Require(verdict.Subprotocol == subprotocol, "the subprotocol is the server's choice", () => verdict.Subprotocol ?? "none");
            InvariantException.Require(verdict.Extensions.All(extension => extension.Name == "permessage-deflate"), "nothing is agreed that was not offered", () => string.Join(", ", verdict.Extensions));
        }
        else
        {
            InvariantException.Require(verdict.Subprotocol is null && verdict.Extensions.Count == 0, "a failure agrees to nothing", () => verdict.Reason);
        }

        var signature = new Signature();
        signature.Add((int)verdict.Failure);
        signature.Add(status / 100);
        signature.AddCount(verdict.Extensions.Count);
        signature.AddCount(verdict.Reason.Length);
        return signature.Value;
    }

    private static List<string> Lines(List<string> lines, char tag) => [.. HeaderInput.Tagged(lines, tag).Select(line => line ?? "")];

    // RFC 6455 §4.1, the checks in their order, but extensions before the subprotocol as the RFC has them: 5 and 6.
    private static ClientHandshakeFailure Judge(in ClientHandshakeResponse response, ClientHandshakeVerdict verdict)
    {
        if (response.StatusCode != 101)
        {
            return ClientHandshakeFailure.Status;
        }

        if (response.Upgrade is not [{ } upgrade] || !HeaderInput.EqualsIgnoreCase(upgrade.Trim(' ', '\t'), "websocket"))
        {
            return ClientHandshakeFailure.Upgrade;
        }

        if (!HeaderInput.Elements(response.Connection).Any(element => HeaderInput.EqualsIgnoreCase(element, "upgrade")))
        {
            return ClientHandshakeFailure.Connection;
        }

        if (response.Accept is not [{ } accept] || accept.Trim(' ', '\t') != Accept)
        {
            return ClientHandshakeFailure.Accept;
        }

        // What the parameters mean is the extension's to say: only what was not offered, or breaks the grammar, is told here.
        var extensions = new List<Extension>();
        bool grammatical = ExtensionHeader.TryParse(response.Extensions, extensions, out _, out _);
        if (!grammatical || extensions.Any(extension => extension.Name != "permessage-deflate") || verdict.Failure == ClientHandshakeFailure.Extension)
        {
            return ClientHandshakeFailure.Extension;
        }

        bool subprotocol = response.Subprotocol.Count == 0 || (response.Subprotocol is [{ } answer] && Offered.Contains(answer.Trim(' ', '\t'), StringComparer.Ordinal));
        return subprotocol ? ClientHandshakeFailure.None : ClientHandshakeFailure.Subprotocol;
    }
}
