using Duologue.Browser;
using Duologue.Fuzz.Engine;
using Duologue.Protocol.Handshake;

namespace Duologue.Fuzz.Targets;

/// <summary>The offer of subprotocols. Input: the lines of the header.</summary>
internal sealed class SubprotocolsTarget : FuzzTarget
{
    private static readonly string[] Supported = ["chat.v2", "chat", "json"];

    public override string Name => "subprotocols";

    public override string Invariant =>
        "An offer is taken exactly if it is a list of distinct tokens within the limits; the server's first that is offered is chosen; "
        + "an application may give what a server would take.";

    public override int MaxLength => 10_000;

    public override IEnumerable<byte[]> Seeds => [[.. "chat, json"u8], [.. "chat\njson"u8], [.. "chat, chat"u8], [.. "a b"u8], [.. string.Join(',', Enumerable.Range(0, 102)).Select(c => (byte)c)]];

    public override IReadOnlyList<byte[]> Dictionary { get; } =
        [[.. ","u8], [.. ", "u8], [.. "\n"u8], [.. "chat"u8], [.. "chat.v2"u8], [.. "json"u8], [.. "CHAT"u8], [.. "\""u8], [.. "="u8], [.. "a"u8], [.. "!#$%&'*+-.^_`|~"u8], [0xE9], new byte[64]];

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        List<string?> values = HeaderInput.Values(input);
        List<string> elements = HeaderInput.Elements(values);
        string? error = Subprotocols.FindOfferError(values, out bool tooLarge);
        bool large = values.Sum(value => value?.Length ?? 0) > HeaderList.MaxLength || elements.Count > HeaderList.MaxElements;
        bool distinctTokens = elements.Count > 0 && elements.All(HeaderInput.IsToken) && elements.Distinct(StringComparer.Ordinal).Count() == elements.Count;
        bool takes = values.Count == 0 || (!large && distinctTokens);
        InvariantException.Require(error is null == takes, "distinct tokens are taken", () => error ?? "taken");
        InvariantException.Require(!tooLarge || large, "too large is a limit's word", () => error!);
        InvariantException.Require(error is null || Sentences.IsSafe(error), "an error is safe to log", () => error!);

        string? chosen = Subprotocols.Choose(Supported, values);
        string? expected = Supported.FirstOrDefault(name => elements.Contains(name, StringComparer.Ordinal));
        InvariantException.Require(ReferenceEquals(chosen, expected), "the server's first that is offered is chosen", () => $"{chosen} for {expected}");
        bool mayOffer = Subprotocols.FindError(elements) is null;
        InvariantException.Require(mayOffer == (elements.Count == 0 || (elements.Count <= HeaderList.MaxElements && distinctTokens)), "a client may offer what a server takes", () => string.Join('|', elements));
        CheckBrowser(elements, distinctTokens);

        var signature = new Signature();
        signature.Add(error is null ? 0 : error.Length > 12 ? error[4] : 1);
        signature.Add(tooLarge ? 1 : 0);
        signature.Add(chosen ?? "");
        signature.AddCount(elements.Count);
        return signature.Value;
    }

    // The browser's names differ without regard to case (WHATWG WebSockets §3.1).
    private static void CheckBrowser(List<string> elements, bool distinctTokens)
    {
        bool expected = elements.Count == 0 || (distinctTokens && elements.Distinct(StringComparer.OrdinalIgnoreCase).Count() == elements.Count);
        bool accepted = true;
        try
        {
            ProtocolNames.Validate(elements);
        }
        catch (DomException refused)
        {
            accepted = false;
            InvariantException.Require(refused.Name == "SyntaxError", "the browser refuses with a SyntaxError", () => refused.Name);
        }

        InvariantException.Require(accepted == expected, "the browser takes distinct tokens", () => string.Join('|', elements));
    }
}
