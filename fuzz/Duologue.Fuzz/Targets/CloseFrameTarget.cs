using Duologue.Fuzz.Engine;
using Duologue.Fuzz.Wire;
using Duologue.Protocol;

namespace Duologue.Fuzz.Targets;

/// <summary>The body of a Close frame. Input: the body.</summary>
internal sealed class CloseFrameTarget : FuzzTarget
{
    public override string Name => "close-frame";

    public override string Invariant => "A body is read or refused as a second reading of the RFC does; what was read is written as it stood.";

    public override int MaxLength => FrameHeader.MaxControlPayload;

    public override IEnumerable<byte[]> Seeds => [[], [0x03], [0x03, 0xE8], [0x0F, 0xA0, .. "reason"u8], [0x03, 0xED], [0x0B, 0xB8, 0xE2, 0x82, 0xAC]];

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [0x03, 0xE8], [0x03, 0xEC], [0x03, 0xEF], [0x03, 0xF2], [0x03, 0xF6], [0x0B, 0xB7], [0x13, 0x87], [0x13, 0x88], [.. "gone"u8], [0xE2, 0x82, 0xAC], [0xED, 0xA0, 0x80], [0xF0, 0x9D, 0x84, 0x9E],
    ];

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        ReadOnlySpan<byte> body = input[..Math.Min(input.Length, FrameHeader.MaxControlPayload)];
        ProtocolViolation? violation = CloseFrame.Read(body, out ushort code, out string reason);
        byte[] frame = new Frame(Frame.Close, body.ToArray()).ToBytes();
        StreamEvent expected = StreamModel.Read(frame, toServer: false, StreamLimits.None, out _).Single();
        InvariantException.Require(expected.Violation == violation?.ToString(), "the verdict is the model's", () => $"{violation}, the model says {expected.Violation ?? "valid"}");
        if (violation is null)
        {
            byte[] written = new byte[FrameHeader.MaxControlPayload];
            int length = CloseFrame.Write(written, code, reason);
            InvariantException.Require(body.SequenceEqual(written.AsSpan(0, length)), "what was read is written as it stood", () => $"{code} {reason}");
            InvariantException.Require(code == CloseFrame.NoStatus || CloseFrame.MayBeSent(code, Role.Client), "a client may send what it may receive", () => $"{code}");
        }
        else
        {
            // A refused body tells nothing.
            InvariantException.Require(code == CloseFrame.NoStatus && reason.Length == 0, "a refused body tells nothing", () => $"{code} {reason}");
        }

        var signature = new Signature();
        signature.Add((int?)violation ?? -1);
        signature.Add(code / 1000);
        signature.AddCount(reason.Length);
        return signature.Value;
    }
}
