using System.Runtime.CompilerServices;
using Duologue.AspNetCore;
using Duologue.EventLoop.Loops;
using Duologue.Peer;

namespace Duologue.EventLoop.Detached;

/// <summary>Where the objects come from of the conversations on one loop: each kind of them side by side. Thread-safe.</summary>
internal sealed class CarrierStock
{
    private readonly Stock<EventLoopCarrier> _carriers = new();

    /// <summary>The connections that come to the loop when their handshake is done.</summary>
    public ConnectionStock Connections { get; } = new();

    /// <summary>As its constructor.</summary>
    public EventLoopCarrier Take(LoopSocket socket, WebSocketConnection connection)
    {
        EventLoopCarrier carrier = _carriers.Take();
        Construct(carrier, socket, connection);
        return carrier;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = ".ctor")]
    private static extern void Construct(EventLoopCarrier made, LoopSocket socket, WebSocketConnection connection);
}
