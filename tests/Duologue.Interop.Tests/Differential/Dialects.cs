using Duologue.Fuzz.Wire;

namespace Duologue.Interop.Tests.Differential;

/// <summary>What is known of how the others read the RFC. Anything else that they do otherwise fails the test.</summary>
internal static class Dialects
{
    /// <summary>npm's ws, 8.23.</summary>
    public const Dialect Ws = Dialect.AnyLengthForm | Dialect.TextWhenWhole | Dialect.TwoBytesTogether | Dialect.LengthBeforeKey
        | Dialect.CloseLengthAnnounced | Dialect.HighBitIsTooBig | Dialect.ServerEchoes1010;

    /// <summary>System.Net.WebSockets of .NET 10.</summary>
    public const Dialect System = Dialect.AnyLengthForm | Dialect.LateCharacters | Dialect.WholeHeader | Dialect.BadReasonIsProtocolError
        | Dialect.NoCodeIs1000 | Dialect.ServerEchoes1010 | Dialect.NoMessageLimit | Dialect.EmptyEndUnjudged | Dialect.TextByFrame | Dialect.CloseLengthAnnounced;

    /// <summary>The same where compression was agreed: a compressed message has no last fragment without a byte.</summary>
    public const Dialect SystemWithCompression = (System & ~Dialect.EmptyEndUnjudged) | Dialect.FirstBitInControl;
}
