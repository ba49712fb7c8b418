using Duologue.Fuzz.Engine;
using Duologue.Fuzz.Wire;

namespace Duologue.Fuzz.Targets;

/// <summary>
/// A whole peer on real pipes and a clock that is turned by hand. Input: flags, the number of steps (at most 31), the steps, the
/// stream. Each step cuts off a piece of the stream (low four bits) and then lets something happen (high four bits).
/// </summary>
internal sealed class PeerTarget : FuzzTarget
{
    public const int MaxSteps = 31;

    private const int MaxAttempts = 3;

    public override string Name => "peer";

    public override string Invariant =>
        "Whatever comes, cut however, with whatever the application does meanwhile: one CloseInfo, no exception, messages that a second "
        + "reading of the stream has too, in its order, a valid frame stream out, all arrays given back.";

    public override IEnumerable<byte[]> Seeds =>
    [
        .. WireInputs.Seeds(2),
        .. WireInputs.Seeds(2).SelectMany(seed => new byte[][]
        {
            [(byte)(seed[0] | (int)PeerFlags.Push), 2, 0x0F, 0x65, .. seed.AsSpan(2)],
            [(byte)(seed[0] | (int)(PeerFlags.Push | PeerFlags.Pends | PeerFlags.EndsStream)), 4, 0x0F, 0x64, 0x74, 0xA0, .. seed.AsSpan(2)],
            [(byte)(seed[0] | (int)(PeerFlags.Echoes | PeerFlags.SlowPeer)), 4, 0xF0, 0xB5, 0xC3, 0x83, .. seed.AsSpan(2)],
            [(byte)(seed[0] | (int)(PeerFlags.SmallLimits | PeerFlags.Pends)), 2, 0x92, 0xE0, .. seed.AsSpan(2)],
        }),
    ];

    public override IReadOnlyList<byte[]> Dictionary => WireInputs.Dictionary;

    public override byte[] Generate(Random random)
    {
        byte flags = (byte)random.Next(256);
        byte[] steps = new byte[random.Next(0, 12)];
        random.NextBytes(steps);
        byte[] stream = FrameStreams.ToBytes(FrameStreams.Generate(random, masked: (flags & (int)PeerFlags.Client) == 0, faults: random.Next(3) != 0));
        return [flags, (byte)steps.Length, .. steps, .. stream];
    }

    public override ulong Run(ReadOnlySpan<byte> input)
    {
        var decisions = new InputReader(input);
        var flags = (PeerFlags)decisions.Byte();
        byte[] steps = decisions.Bytes(decisions.Byte() & MaxSteps).ToArray();
        byte[] stream = decisions.Rest.ToArray();

        long missing = 0;
        for (int attempt = 0; attempt < MaxAttempts; attempt++)
        {
            long outstanding = RentedArrays.Instance.Outstanding;
            var run = new PeerRun(flags, steps, stream);

            // On the pool, as all that it leads to: where the pool has one thread, one thread does it all.
            Task.Run(run.PlayAsync).GetAwaiter().GetResult();

            // What a pool thread had to do for the connection may end a moment after it.
            if (SpinWait.SpinUntil(() => RentedArrays.Instance.Outstanding == outstanding, TimeSpan.FromSeconds(2)))
            {
                return run.Signature;
            }

            // The pool is the whole process's: only what is missing time and again is missing here.
            missing = RentedArrays.Instance.Outstanding - outstanding;
        }

        throw new InvariantException("arrays are given back", $"{missing} are missing");
    }
}

/// <summary>What the first byte of an input decides.</summary>
[Flags]
internal enum PeerFlags : byte
{
    None = 0,
    Client = 1,

    /// <summary>A handler is called; else the application asks.</summary>
    Push = 2,

    /// <summary>The stream ends after its last byte; else it only falls silent.</summary>
    EndsStream = 4,

    /// <summary>The application answers each message with itself.</summary>
    Echoes = 8,

    /// <summary>It closes after its third message.</summary>
    ClosesEarly = 16,

    /// <summary>The handler takes its time; or who asks reads piecewise.</summary>
    Pends = 32,

    SmallLimits = 64,

    /// <summary>The peer reads only when a step says so.</summary>
    SlowPeer = 128,
}
