namespace Duologue.Protocol.Deflate;

/// <summary>What two peers agreed about compression, as one of them sees it.</summary>
internal sealed record DeflateAgreement
{
    /// <summary>Whether our messages may refer to those before them.</summary>
    public required bool SendsWithContext { get; init; }

    /// <summary>How far back our messages may refer; 0 if we must not compress.</summary>
    public required int SendWindowBits { get; init; }

    /// <summary>Whether the peer's messages may refer to those before them.</summary>
    public required bool ReceivesWithContext { get; init; }

    /// <summary>How far back the peer's messages may refer, 9 to 15.</summary>
    public required int ReceiveWindowBits { get; init; }

    /// <summary>The smallest message to compress, in bytes.</summary>
    public required int Threshold { get; init; }

    /// <summary>Whether the connection holds native memory between messages.</summary>
    public bool HoldsMemory => SendsWithContext || ReceivesWithContext;
}
