using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Tests.Support;

/// <summary>Reads a socket to nowhere, and sends nothing.</summary>
internal abstract class IdleHandler : ISocketHandler
{
    public virtual string? Endpoint => null;

    public bool TryGetDirect(out Memory<byte> memory)
    {
        memory = default;
        return false;
    }

    public void OnReceivedDirect(Memory<byte> memory, int count) => throw new NotSupportedException();

    public virtual void OnReceived(ReadOnlySpan<byte> bytes)
    {
    }

    public void OnReceiveEnded(int error)
    {
    }

    public int Gather(Span<IoVector> vectors) => 0;

    public void OnSent(long count, int error)
    {
    }

    public void OnPosted(int requests)
    {
    }

    public void OnDeadline()
    {
    }

    public void OnClosed()
    {
    }
}
