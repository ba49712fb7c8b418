namespace Duologue.Protocol.Handshake;

/// <summary>Subprotocol names: their form, and the server's choice (RFC 6455 §1.9, §4.1, §4.2.2). They compare with case.</summary>
internal static class Subprotocols
{
    /// <summary>What is wrong with names that an application gives, as a sentence; null if nothing is.</summary>
    public static string? FindError(IReadOnlyList<string> names)
    {
        if (names.Count > HeaderList.MaxElements)
        {
            return $"There are {names.Count} subprotocols; at most {HeaderList.MaxElements} are allowed.";
        }

        for (int i = 0; i < names.Count; i++)
        {
            // RFC 6455 §4.1, requirement 10: non-empty tokens, all unique.
            if (!HttpToken.IsValid(names[i]))
            {
                return $"The subprotocol {PeerText.Quote(names[i])} is not a token: use letters, digits and !#$%&'*+-.^_`|~ only (RFC 6455 §4.1).";
            }

            for (int j = 0; j < i; j++)
            {
                if (string.Equals(names[i], names[j], StringComparison.Ordinal))
                {
                    return $"The subprotocol \"{names[i]}\" is named twice.";
                }
            }
        }

        return null;
    }

    /// <summary>What is wrong with a client's <c>Sec-WebSocket-Protocol</c>, as the end of a sentence; null if nothing is, or if it is absent.</summary>
    public static string? FindOfferError<TValues>(TValues offers, out bool tooLarge)
        where TValues : IReadOnlyList<string?>
    {
        tooLarge = false;
        if (HeaderList.Count(offers) == 0)
        {
            return null;
        }

        if (HeaderList.Length(offers) > HeaderList.MaxLength)
        {
            tooLarge = true;
            return $"is longer than {HeaderList.MaxLength} characters";
        }

        int count = 0;
        foreach (ReadOnlySpan<char> offer in HeaderList.Elements(offers))
        {
            if (count == HeaderList.MaxElements)
            {
                tooLarge = true;
                return $"has more than {HeaderList.MaxElements} subprotocols";
            }

            if (!HttpToken.IsValid(offer))
            {
                return $"has {PeerText.Quote(offer)}, which is not a token";
            }

            // Unique (RFC 6455 §4.1, requirement 10): the element must not stand among the earlier ones.
            int earlier = 0;
            foreach (ReadOnlySpan<char> other in HeaderList.Elements(offers))
            {
                if (earlier++ == count)
                {
                    break;
                }

                if (offer.SequenceEqual(other))
                {
                    return $"names {PeerText.Quote(offer)} twice";
                }
            }

            count++;
        }

        return count == 0 ? "is empty" : null;
    }

    /// <summary>The first of the server's subprotocols that the client offers; null if there is none.</summary>
    public static string? Choose<TValues>(IReadOnlyList<string> supported, TValues offers)
        where TValues : IReadOnlyList<string?>
    {
        for (int i = 0; i < supported.Count; i++)
        {
            foreach (ReadOnlySpan<char> offer in HeaderList.Elements(offers))
            {
                if (offer.SequenceEqual(supported[i]))
                {
                    return supported[i];
                }
            }
        }

        return null;
    }
}
