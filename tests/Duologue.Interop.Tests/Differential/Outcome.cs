using Duologue.Fuzz.Wire;

namespace Duologue.Interop.Tests.Differential;

/// <summary>What a receiver made of a stream.</summary>
/// <param name="Messages">What the application got, each as its opcode and its bytes in hex.</param>
/// <param name="CloseSent">The code of the Close that it sent, 1005 for one without; null if it sent none.</param>
/// <param name="Ended">Whether it let go when the stream had ended.</param>
internal sealed record Outcome(IReadOnlyList<string> Messages, int? CloseSent, bool Ended)
{
    public static string Describe(bool binary, ReadOnlySpan<byte> data) => $"{(binary ? Frame.Binary : Frame.Text)} {Convert.ToHexString(data)}";

    /// <summary>Reads what the receiver wrote; a receiver that writes what no peer may read is a failure, whoever it is.</summary>
    public static Outcome Of(IReadOnlyList<string> messages, byte[] written, bool byServer, bool ended)
    {
        List<StreamEvent> frames = StreamModel.Read(written, toServer: !byServer, StreamLimits.None, out _);

        // A code that must not be sent is read all the same: it is what is to be compared.
        StreamEvent? close = frames.FirstOrDefault(frame => frame.Opcode == Frame.Close);
        int? code = close is null ? null : close.Data.Length == 0 ? 1005 : (close.Data[0] << 8) | close.Data[1];
        string? violation = frames.FirstOrDefault(frame => frame.Violation is not null)?.Violation;
        return new Outcome(violation is null ? messages : [.. messages, $"wrote {violation}"], code, ended);
    }

    /// <summary>What RFC 6455 asks for, by the second reading of it.</summary>
    /// <param name="dialect">How another implementation reads it.</param>
    public static Outcome Expected(StreamCase given, Dialect dialect, out StreamEvent? last)
    {
        StreamLimits limits = dialect.HasFlag(Dialect.NoMessageLimit) ? StreamLimits.None : new StreamLimits(StreamCase.MessageLimit, 0);
        List<StreamEvent> events = StreamModel.Read(given.Bytes, given.ToServer, limits, dialect, out _);
        last = events.LastOrDefault();
        List<string> messages = [.. events.Where(e => e.Opcode is Frame.Text or Frame.Binary).Select(e => Describe(e.Opcode == Frame.Binary, e.Data))];
        int? code = last switch
        {
            { Violation: "InvalidCloseReason" } when dialect.HasFlag(Dialect.BadReasonIsProtocolError) => 1002,
            { Violation: "InvalidUtf8" or "InvalidCloseReason" } => 1007,
            { Violation: "MessageTooBig" } => 1009,
            { Violation: not null } => 1002,
            { Opcode: Frame.Close, Data.Length: 0 } => dialect.HasFlag(Dialect.NoCodeIs1000) ? 1000 : 1005,
            { Opcode: Frame.Close } => Echo((last.Data[0] << 8) | last.Data[1], given.ToServer && !dialect.HasFlag(Dialect.ServerEchoes1010)),
            _ => null,
        };
        return new Outcome(messages, code, true);
    }

    // RFC 6455 §7.4.1: 1010 is the client's word, so a server does not echo it.
    private static int Echo(int code, bool byServer) => byServer && code == 1010 ? 1000 : code;

    public bool Same(Outcome other) => CloseSent == other.CloseSent && Ended == other.Ended && Messages.SequenceEqual(other.Messages);

    public override string ToString() => $"messages [{string.Join(", ", Messages.Select(message => message.Length > 100 ? message[..100] + "…" : message))}], close {CloseSent?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "none"}, {(Ended ? "ended" : "did not end")}";
}
