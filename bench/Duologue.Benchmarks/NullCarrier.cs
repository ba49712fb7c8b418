using System.Buffers;
using Duologue.Carriers;

namespace Duologue.Benchmarks;

/// <summary>Takes what is written and forgets it.</summary>
/// <param name="room">As much as is written between two flushes, so that nothing grows while it is measured.</param>
internal sealed class NullCarrier(int room) : Carrier
{
    private readonly ArrayBufferWriter<byte> _output = new(room);

    public override IBufferWriter<byte> Output => _output;

    public override ValueTask<bool> FlushAsync()
    {
        _output.ResetWrittenCount();
        return new ValueTask<bool>(true);
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
