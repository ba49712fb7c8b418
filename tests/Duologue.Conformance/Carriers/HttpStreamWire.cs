using Duologue.Conformance.Judge;
using Microsoft.AspNetCore.Connections;

namespace Duologue.Conformance.Carriers;

/// <summary>The stream of an extended CONNECT (RFC 8441 §5), at either end. Clean is END_STREAM; RST_STREAM is the reset of HTTP/2.</summary>
internal sealed class HttpStreamWire(Stream stream, Func<Task>? end, Func<ValueTask> dispose) : Wire
{
    public override bool CanEnd => end is not null;

    public override bool IsStream => true;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            await stream.WriteAsync(bytes, cancellationToken);
            await stream.FlushAsync(cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or ObjectDisposedException or InvalidOperationException or ConnectionAbortedException)
        {
            throw new IOException(e.Message, e);
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            int count = await stream.ReadAsync(buffer, cancellationToken);
            if (count == 0)
            {
                Ending = new Ending(EndKind.Clean, "END_STREAM");
            }

            return count;
        }
        catch (Exception e) when (e is IOException or HttpRequestException or ObjectDisposedException or InvalidOperationException or ConnectionAbortedException)
        {
            Ending = new Ending(EndKind.Reset, e.Message);
            return 0;
        }
    }

    public override async ValueTask EndAsync(CancellationToken cancellationToken) => await end!();

    public override ValueTask DisposeAsync() => dispose();
}
