namespace Duologue.Conformance.Judge;

internal enum EndKind
{
    /// <summary>FIN; over TLS close_notify, then FIN; on HTTP/2 END_STREAM.</summary>
    Clean,

    /// <summary>FIN, without the close_notify that TLS has before it.</summary>
    WithoutNotify,

    /// <summary>RST, RST_STREAM, or anything else.</summary>
    Reset,
}

/// <summary>How a peer's stream came to its end, and in words.</summary>
internal sealed record Ending(EndKind Kind, string How)
{
    public override string ToString() => How;
}

/// <summary>The raw bytes of one WebSocket, past its opening handshake, as the hostile peer has them.</summary>
internal abstract class Wire : IAsyncDisposable
{
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>0 at the end; then <see cref="Ending"/> is set. Throws nothing but <see cref="OperationCanceledException"/>.</summary>
    public abstract ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Whether this end can say that it has no more to send while it goes on reading.</summary>
    public abstract bool CanEnd { get; }

    /// <summary>Whether it is one of many streams on a connection, that can be reset without the connection.</summary>
    public abstract bool IsStream { get; }

    /// <summary>Ends our direction: FIN, close_notify and FIN, END_STREAM.</summary>
    public abstract ValueTask EndAsync(CancellationToken cancellationToken);

    public Ending? Ending { get; protected set; }

    /// <summary>What the other side answered to the offer of an extension, or offered itself; null for none.</summary>
    public string? Extensions { get; init; }

    public abstract ValueTask DisposeAsync();
}
