using Duologue.Protocol.Deflate;
using Duologue.Protocol.Handshake;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace Duologue.AspNetCore;

/// <summary>
/// Agrees with clients about compression, and counts the connections that hold a compressor of their own. Thread-safe.
/// </summary>
internal sealed class CompressionAdmission(int maxDedicated, ServerMetrics metrics, ILogger logger)
{
    private int _dedicated;

    // Logged when the limit is first met, and again only after a tenth of the places was free: a crowd makes one line.
    private int _logged;

    // The probe's result is the process's: it is told once.
    private int _missingLogged;

    /// <summary>How many connections hold memory for compression between messages.</summary>
    public int Dedicated => Volatile.Read(ref _dedicated);

    /// <summary>Answers a client's offers, and takes a place if the agreement needs one; whoever gets it gives it back by <see cref="Leave"/>.</summary>
    /// <param name="offers">The lines of the header; well formed.</param>
    /// <param name="compression">The endpoint's.</param>
    /// <param name="agreement">What was agreed; null if nothing was.</param>
    /// <returns>The answer as a header's value; "" if there is none.</returns>
    public string Agree(StringValues offers, Compression compression, out DeflateAgreement? agreement)
    {
        agreement = null;
        if (compression.Mode == CompressionMode.Off || offers.Count == 0 || !IsAvailable())
        {
            return "";
        }

        List<Extension> extensions = [];
        if (!ExtensionHeader.TryParse(offers, extensions, out _, out _)
            || DeflateNegotiation.Accept(extensions, compression, out agreement) is not { } answer)
        {
            return "";
        }

        if (agreement!.HoldsMemory && !TryEnter())
        {
            answer = DeflateNegotiation.Accept(extensions, Compression.Shared with { Threshold = compression.Threshold }, out agreement);
        }

        return answer?.ToString() ?? "";
    }

    /// <summary>A connection with such an agreement has ended.</summary>
    public void Leave(DeflateAgreement? agreement)
    {
        if (agreement is { HoldsMemory: true })
        {
            if (Interlocked.Decrement(ref _dedicated) <= maxDedicated - (maxDedicated / 10) - 1)
            {
                Volatile.Write(ref _logged, 0);
            }
        }
    }

    private bool TryEnter()
    {
        if (Interlocked.Increment(ref _dedicated) <= maxDedicated)
        {
            return true;
        }

        Interlocked.Decrement(ref _dedicated);
        metrics.CompressorsShared();
        if (Interlocked.Exchange(ref _logged, 1) == 0)
        {
            Log.DedicatedCompressorsExhausted(logger, maxDedicated);
        }

        return false;
    }

    private bool IsAvailable()
    {
        if (ZLib.Missing is { } reason && Interlocked.Exchange(ref _missingLogged, 1) == 0)
        {
            logger.CompressionUnavailable(reason);
        }

        return ZLib.IsAvailable;
    }
}
