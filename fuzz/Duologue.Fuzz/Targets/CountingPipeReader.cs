using System.Buffers;
using System.IO.Pipelines;

namespace Duologue.Fuzz.Targets;

/// <summary>A reader that tells how much was taken through it. Its counts may be read by any thread.</summary>
internal sealed class CountingPipeReader(PipeReader inner) : PipeReader
{
    private ReadOnlySequence<byte> _buffer;
    private long _taken;

    /// <summary>The bytes that were read and will not be read again.</summary>
    public long Taken => Interlocked.Read(ref _taken);

    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) =>
        Note(await inner.ReadAsync(cancellationToken).ConfigureAwait(false));

    public override bool TryRead(out ReadResult result)
    {
        bool isRead = inner.TryRead(out result);
        if (isRead)
        {
            Note(result);
        }

        return isRead;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        Interlocked.Add(ref _taken, _buffer.Slice(_buffer.Start, consumed).Length);
        inner.AdvanceTo(consumed, examined);
    }

    public override void CancelPendingRead() => inner.CancelPendingRead();

    public override void Complete(Exception? exception = null) => inner.Complete(exception);

    private ReadResult Note(ReadResult result)
    {
        _buffer = result.Buffer;
        return result;
    }
}
