using System.Buffers;
using Duologue.Carriers;

namespace Duologue.Tests.Peer;

/// <summary>Takes all at once.</summary>
internal sealed class TakingCarrier : Carrier
{
    public int Taken { get; private set; }

    public int Flushes { get; private set; }

    public override IBufferWriter<byte> Output { get; } = new ArrayBufferWriter<byte>();

    public override bool TryTake()
    {
        Taken++;
        return true;
    }

    public override ValueTask<bool> FlushAsync()
    {
        Flushes++;
        return new(true);
    }

    public override void ResumeReading()
    {
    }

    public override void Complete()
    {
    }

    public override void Abort()
    {
    }
}
