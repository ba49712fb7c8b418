using Duologue.Protocol.Handshake;

namespace Duologue.Protocol.Deflate;

/// <summary>Agrees about <c>permessage-deflate</c> in the opening handshake, in both roles (RFC 7692 §5, §7.1). Pure.</summary>
internal static class DeflateNegotiation
{
    // zlib cannot compress with a window of 256 bytes, and reads such data with one of 512.
    private const int SmallestWindow = Compression.SmallestWindow;
    private const int LargestWindow = Compression.LargestWindow;

    /// <summary>What a server answers to a client's offers: the first that it can do; null if there is none.</summary>
    /// <param name="offers">All extensions that the client offers, most preferred first.</param>
    /// <param name="compression">What the server does; not Off.</param>
    /// <param name="agreement">What was agreed.</param>
    public static Extension? Accept(IReadOnlyList<Extension> offers, Compression compression, out DeflateAgreement? agreement)
    {
        foreach (Extension offer in offers)
        {
            // RFC 7692 §7: an offer with a parameter that is unknown, repeated or has a wrong value is declined, and the next one looked at.
            if (offer.Name == DeflateParameters.ExtensionName
                && DeflateParameters.TryRead(offer, isOffer: true, out DeflateParameters offered, out _)
                && Answer(offered, compression) is { } answer)
            {
                agreement = new DeflateAgreement
                {
                    SendsWithContext = !answer.ServerNoContextTakeover,
                    SendWindowBits = answer.ServerMaxWindowBits ?? LargestWindow,
                    ReceivesWithContext = !answer.ClientNoContextTakeover,
                    ReceiveWindowBits = Math.Max(SmallestWindow, answer.ClientMaxWindowBits ?? LargestWindow),
                    Threshold = compression.Threshold,
                };
                return answer.ToExtension();
            }
        }

        agreement = null;
        return null;
    }

    /// <summary>What a client offers.</summary>
    public static Extension[] Offer(Compression compression)
    {
        switch (compression.Mode)
        {
            case CompressionMode.Off:
                return [];
            case CompressionMode.Shared:
                return [new DeflateParameters { ServerNoContextTakeover = true, ClientNoContextTakeover = true, AllowsClientMaxWindowBits = true }.ToExtension()];
            case CompressionMode.Dedicated when compression.WindowBits == LargestWindow:
                return [new DeflateParameters { AllowsClientMaxWindowBits = true }.ToExtension()];
            default:
                // RFC 7692 §7.1.2.1: a server that cannot bound its window declines the first, and compression is better than none.
                var bounded = new DeflateParameters { ServerMaxWindowBits = compression.WindowBits, ClientMaxWindowBits = compression.WindowBits };
                return [bounded.ToExtension(), (bounded with { ServerMaxWindowBits = null }).ToExtension()];
        }
    }

    /// <summary>Judges a server's answer (RFC 7692 §7.1): a client must fail the connection if it answers none of its offers.</summary>
    /// <param name="offers">What was offered.</param>
    /// <param name="answer">What the server chose.</param>
    /// <param name="parameters">What it says.</param>
    /// <returns>What is wrong, as the end of a sentence; null if nothing is.</returns>
    public static string? FindError(IReadOnlyList<Extension> offers, Extension answer, out DeflateParameters parameters)
    {
        if (!DeflateParameters.TryRead(answer, isOffer: false, out parameters, out string? error))
        {
            return error;
        }

        foreach (Extension offer in offers)
        {
            if (offer.Name == DeflateParameters.ExtensionName
                && DeflateParameters.TryRead(offer, isOffer: true, out DeflateParameters offered, out _)
                && Answers(offered, parameters))
            {
                return null;
            }
        }

        return $"does not answer what was offered: {string.Join(", ", offers)}";
    }

    /// <summary>What a client makes of a server's answer.</summary>
    public static DeflateAgreement Conclude(DeflateParameters answer, Compression compression)
    {
        // RFC 7692 §7.1.2.2: what we may not exceed. A window of 256 bytes zlib cannot do: then nothing is compressed, which is always allowed (§6).
        int send = Math.Min(compression.WindowBits, answer.ClientMaxWindowBits ?? LargestWindow);
        return new DeflateAgreement
        {
            SendsWithContext = compression.Mode == CompressionMode.Dedicated && !answer.ClientNoContextTakeover && send >= SmallestWindow,
            SendWindowBits = send < SmallestWindow ? 0 : send,
            ReceivesWithContext = !answer.ServerNoContextTakeover,
            ReceiveWindowBits = Math.Max(SmallestWindow, answer.ServerMaxWindowBits ?? LargestWindow),
            Threshold = compression.Threshold,
        };
    }

    private static DeflateParameters? Answer(DeflateParameters offered, Compression compression)
    {
        // RFC 7692 §7.1.2.1: the answer must have the same value or a smaller one, and ours cannot be so small.
        if (offered.ServerMaxWindowBits < SmallestWindow)
        {
            return null;
        }

        bool shared = compression.Mode == CompressionMode.Shared;
        int serverBits = Math.Min(compression.WindowBits, offered.ServerMaxWindowBits ?? LargestWindow);

        // Only a client that named the parameter may be bound by it (§7.1.2.2); a shared decompressor has the largest window anyway. What a client says
        // of itself is said back: System.Net.WebSockets takes silence for 15 and fails.
        bool bindsClient = offered.ClientMaxWindowBits is not null || (offered.AllowsClientMaxWindowBits && !shared && compression.WindowBits < LargestWindow);
        return new DeflateParameters
        {
            ServerNoContextTakeover = shared || offered.ServerNoContextTakeover,
            ClientNoContextTakeover = shared || offered.ClientNoContextTakeover,
            ServerMaxWindowBits = offered.ServerMaxWindowBits is not null || serverBits < LargestWindow ? serverBits : null,
            ClientMaxWindowBits = bindsClient ? Math.Min(compression.WindowBits, offered.ClientMaxWindowBits ?? LargestWindow) : null,
        };
    }

    private static bool Answers(DeflateParameters offered, DeflateParameters answer) =>
        (answer.ServerNoContextTakeover || !offered.ServerNoContextTakeover)
        && (offered.ServerMaxWindowBits is not { } most || answer.ServerMaxWindowBits <= most)
        && (answer.ClientMaxWindowBits is null || offered.AllowsClientMaxWindowBits);
}
