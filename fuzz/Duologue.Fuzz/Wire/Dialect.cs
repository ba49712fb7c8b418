namespace Duologue.Fuzz.Wire;

/// <summary>
/// Ways of reading RFC 6455 that differ from ours and that other implementations have. Each is a row of docs/differential.md,
/// which says what the RFC has to say about it.
/// </summary>
[Flags]
internal enum Dialect
{
    /// <summary>Ours: every rule, at the first byte that breaks it.</summary>
    None = 0,

    /// <summary>A length need not be in its shortest form.</summary>
    AnyLengthForm = 1,

    /// <summary>Text is judged when its message is whole.</summary>
    TextWhenWhole = 2,

    /// <summary>A character in too long a form is seen at its last byte, one beyond U+10FFFF at its second.</summary>
    LateCharacters = 4,

    /// <summary>The first byte of a frame is judged with the second.</summary>
    TwoBytesTogether = 8,

    /// <summary>A header is judged when it is whole, by a server with a masking key, whether or not there is one.</summary>
    WholeHeader = 16,

    /// <summary>A length is judged before the masking key is there.</summary>
    LengthBeforeKey = 32,

    /// <summary>A Close that announces a body of one byte is judged on the announcement.</summary>
    CloseLengthAnnounced = 64,

    /// <summary>A length with its highest bit set is a message too big.</summary>
    HighBitIsTooBig = 128,

    /// <summary>A reason that is not UTF-8 is a violation of the protocol, not of the data.</summary>
    BadReasonIsProtocolError = 256,

    /// <summary>A Close without a code is answered with 1000.</summary>
    NoCodeIs1000 = 512,

    /// <summary>A server echoes 1010, which is a client's word.</summary>
    ServerEchoes1010 = 1024,

    /// <summary>A message may have any size.</summary>
    NoMessageLimit = 2048,

    /// <summary>Where the last fragment of a text is empty, the text is not asked whether it is complete, and the next one is taken for its end.</summary>
    EmptyEndUnjudged = 4096,

    /// <summary>Text is judged when its frame is whole, or the application's buffer is full.</summary>
    TextByFrame = 8192,

    /// <summary>The bit that marks a compressed message (RSV1) may stand in a control frame.</summary>
    FirstBitInControl = 16384,
}
