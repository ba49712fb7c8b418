namespace Duologue.Conformance.Deflate;

/// <summary>What both peers settled on for permessage-deflate (RFC 7692 §7.1), as the hostile peer sees it.</summary>
internal sealed record DeflateTerms(bool InboundNoTakeover, int InboundWindowBits, bool OutboundNoTakeover, int OutboundWindowBits)
{
    public Inflater CreateInflater() => new(InboundWindowBits);

    public Deflater CreateDeflater() => new(OutboundWindowBits);

    /// <summary>Reads the answer to an offer. Returns what is wrong about it, or null.</summary>
    /// <param name="ours">What the hostile peer offered, or answered.</param>
    /// <param name="theirs">What the judged peer answered, or offered.</param>
    /// <param name="judgesServer">Which of the two the judged peer is.</param>
    /// <param name="terms">The terms; null if there is no compression.</param>
    public static string? Settle(string ours, string? theirs, bool judgesServer, out DeflateTerms? terms)
    {
        terms = null;
        string answer = judgesServer ? theirs ?? "" : ours;
        if (answer.Length == 0)
        {
            return "the extension was not accepted";
        }

        string[] parts = answer.Split(';', StringSplitOptions.TrimEntries);
        if (parts[0] != "permessage-deflate" || answer.Contains(',', StringComparison.Ordinal))
        {
            return $"the answer is \"{answer}\"";
        }

        bool serverNoTakeover = false, clientNoTakeover = false;
        int serverBits = 15, clientBits = 15;
        var seen = new HashSet<string>();
        foreach (string part in parts.Skip(1))
        {
            string[] pair = part.Split('=', 2, StringSplitOptions.TrimEntries);
            int bits = 0;
            if (!seen.Add(pair[0]) || (pair.Length == 2 && (!int.TryParse(pair[1].Trim('"'), out bits) || bits is < 8 or > 15)))
            {
                return $"the answer is \"{answer}\" (RFC 7692 §7.1)";
            }

            switch (pair[0], pair.Length)
            {
                case ("server_no_context_takeover", 1):
                    serverNoTakeover = true;
                    break;
                case ("client_no_context_takeover", 1):
                    clientNoTakeover = true;
                    break;
                case ("server_max_window_bits", 2):
                    serverBits = bits;
                    break;
                case ("client_max_window_bits", 2):
                    clientBits = bits;
                    break;
                default:
                    return $"the answer is \"{answer}\" (RFC 7692 §7.1)";
            }
        }

        if (judgesServer && !Fits(ours, answer, serverNoTakeover, seen, serverBits))
        {
            return $"the answer \"{answer}\" does not fit what was offered (RFC 7692 §7.1)";
        }

        terms = judgesServer
            ? new DeflateTerms(serverNoTakeover, serverBits, clientNoTakeover, clientBits)
            : new DeflateTerms(clientNoTakeover, clientBits, serverNoTakeover, serverBits);
        return null;
    }

    // RFC 7692 §7.1.1.1, §7.1.2.1 and §7.1.2.2: whether one of several offers is answered.
    private static bool Fits(string offers, string answer, bool serverNoTakeover, HashSet<string> answered, int serverBits)
    {
        foreach (string[] parts in offers.Split(',').Select(offer => offer.Split(';', StringSplitOptions.TrimEntries)))
        {
            string? most = parts.FirstOrDefault(part => part.StartsWith("server_max_window_bits=", StringComparison.Ordinal))?.Split('=')[1].Trim('"');
            bool fits = parts[0].Trim() == answer.Split(';')[0].Trim()
                && (serverNoTakeover || !parts.Contains("server_no_context_takeover"))
                && (most is null || (answered.Contains("server_max_window_bits") && int.TryParse(most, out int bits) && serverBits <= bits))
                && (!answered.Contains("client_max_window_bits") || parts.Any(part => part.StartsWith("client_max_window_bits", StringComparison.Ordinal)));
            if (fits)
            {
                return true;
            }
        }

        return false;
    }
}
