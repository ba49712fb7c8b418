using System.Net.Sockets;

namespace Duologue.Cli.Compare.Clients;

/// <summary>A socket's stream that counts what passes, below HTTP: so heads, chunks and frame headers are counted like everything else.</summary>
internal sealed class CountingStream : NetworkStream
{
    private readonly Traffic _traffic;
    private int _closed;

    public CountingStream(Socket socket, Traffic traffic)
        : base(socket, ownsSocket: true)
    {
        _traffic = traffic;
        traffic.AddConnection(1);
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int count = await base.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        _traffic.AddBytes(count);
        return count;
    }

    public override int Read(Span<byte> buffer)
    {
        int count = base.Read(buffer);
        _traffic.AddBytes(count);
        return count;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _traffic.AddBytes(buffer.Length);
        return base.WriteAsync(buffer, cancellationToken);
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        _traffic.AddBytes(buffer.Length);
        base.Write(buffer);
    }

    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            _traffic.AddConnection(-1);
        }

        base.Dispose(disposing);
    }
}
