using System.Globalization;
using Duologue.Fuzz.Engine;
using Duologue.Protocol.Deflate;
using Duologue.Protocol.Handshake;

namespace Duologue.Fuzz.Targets;

/// <summary>What a server answers to offers of permessage-deflate, and what a client makes of that. Input: a byte of modes, the header's lines.</summary>
internal sealed class DeflateNegotiationTarget : FuzzTarget
{
    private static readonly Compression[] Modes = [Compression.Shared, .. Enumerable.Range(9, 7).Select(Compression.Dedicated)];

    public override string Name => "deflate-negotiation";

    public override string Invariant =>
        "A server accepts the first offer that RFC 7692 §7.1 lets it accept, and none else; a client takes the answer; and neither sends what the other does not expect.";

    public override int MaxLength => 2000;

    public override IEnumerable<byte[]> Seeds =>
    [
        [0, .. "permessage-deflate"u8],
        [1, .. "permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate"u8],
        [7, .. "permessage-deflate; server_max_window_bits=8, permessage-deflate; client_max_window_bits=8"u8],
        [3, .. "x-other, permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=\"12\""u8],
        [9, .. "permessage-deflate; client_max_window_bits=09\npermessage-deflate; client_no_context_takeover=1"u8],
    ];

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [.. "permessage-deflate"u8], [.. "; client_max_window_bits"u8], [.. "; server_max_window_bits="u8], [.. "; client_no_context_takeover"u8], [.. "; server_no_context_takeover"u8],
        [.. ", "u8], [.. "\n"u8], [.. "=8"u8], [.. "=9"u8], [.. "=10"u8], [.. "=15"u8], [.. "=16"u8], [.. "=08"u8], [.. "=\"11\""u8], [.. "=\"\""u8],
    ];

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        var signature = new Signature();
        var offers = new List<Extension>();
        if (input.IsEmpty || !ExtensionHeader.TryParse(HeaderInput.Values(input[1..]), offers, out _, out _))
        {
            return signature.Value;
        }

        Compression server = Modes[input[0] % Modes.Length];
        Compression client = Modes[input[0] / Modes.Length % Modes.Length];
        Extension? answer = DeflateNegotiation.Accept(offers, server, out DeflateAgreement? agreement);
        Offer? expected = offers.Select(Read).FirstOrDefault(offer => offer is { ServerBits: null or >= 9 });
        InvariantException.Require(answer is null == expected is null, "the first offer that may be accepted is", () => $"{answer?.ToString() ?? "none"} to {string.Join(", ", offers)}");
        InvariantException.Require(answer is null == agreement is null, "an answer is an agreement", () => $"{answer}");
        if (answer is not null)
        {
            Check(offers, expected!, answer, agreement!, client);
            signature.Add(agreement!.SendWindowBits + (agreement.SendsWithContext ? 32 : 0));
            signature.Add(agreement.ReceiveWindowBits + (agreement.ReceivesWithContext ? 32 : 0));
        }

        signature.AddCount(offers.Count);
        signature.Add(answer is null ? 0 : answer.Parameters.Count + 1);
        return signature.Value;
    }

    private static void Check(List<Extension> offers, Offer offer, Extension answer, DeflateAgreement agreed, Compression client)
    {
        string told = $"{answer} to {string.Join(", ", offers)}";
        string? error = DeflateNegotiation.FindError(offers, answer, out DeflateParameters parameters);
        InvariantException.Require(error is null, "a client takes the answer", () => $"{told}: {error}");

        // RFC 7692 §7.1.1.1, §7.1.2.1: a promise that was asked for is given, and kept. §7.1.2.2: a client is bound only if it said that it can be.
        InvariantException.Require(agreed.SendWindowBits <= (offer.ServerBits ?? 15) && agreed.SendWindowBits >= 9, "the server keeps to the window", () => told);
        InvariantException.Require(!(offer.ServerForgets && agreed.SendsWithContext), "the server forgets where it was asked to", () => told);
        InvariantException.Require(offer.NamesClientBits || parameters.ClientMaxWindowBits is null, "a client is bound only if it can be", () => told);

        // Both ends of either direction: none refers further back, or to more, than the other holds.
        DeflateAgreement other = DeflateNegotiation.Conclude(parameters, client);
        InvariantException.Require(agreed.SendWindowBits <= other.ReceiveWindowBits && other.SendWindowBits <= agreed.ReceiveWindowBits, "each holds what the other refers to", () => told);
        InvariantException.Require((!agreed.SendsWithContext || other.ReceivesWithContext) && (!other.SendsWithContext || agreed.ReceivesWithContext), "each keeps the context that the other uses", () => told);
    }

    /// <summary>A second reading of RFC 7692 §7.1: null for what must be declined.</summary>
    private static Offer? Read(Extension extension)
    {
        var offer = new Offer();
        var seen = new HashSet<string>();
        if (extension.Name != "permessage-deflate")
        {
            return null;
        }

        foreach ((string name, string? value) in extension.Parameters)
        {
            int bits = 0;
            bool hasBits = value is not null && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out bits) && bits is >= 8 and <= 15 && value[0] != '0';
            switch (name)
            {
                case "server_no_context_takeover" when value is null:
                    offer = offer with { ServerForgets = true };
                    break;
                case "client_no_context_takeover" when value is null:
                    break;
                case "server_max_window_bits" when hasBits:
                    offer = offer with { ServerBits = bits };
                    break;
                case "client_max_window_bits" when hasBits || value is null:
                    offer = offer with { NamesClientBits = true };
                    break;
                default:
                    return null;
            }

            if (!seen.Add(name))
            {
                return null;
            }
        }

        return offer;
    }

    private sealed record Offer
    {
        public bool ServerForgets { get; init; }

        public int? ServerBits { get; init; }

        public bool NamesClientBits { get; init; }
    }
}
