namespace Duologue.Interop.Tests.Peers;

/// <summary>A conversation between Duologue and another implementation, and what it runs on.</summary>
internal sealed class Pair(Connection ours, ForeignPeer theirs, IAsyncDisposable host) : IAsyncDisposable
{
    public Connection Ours { get; } = ours;

    public ForeignPeer Theirs { get; } = theirs;

    public async ValueTask DisposeAsync()
    {
        Ours.Abort();
        await Theirs.DisposeAsync();
        await host.DisposeAsync();
    }
}
