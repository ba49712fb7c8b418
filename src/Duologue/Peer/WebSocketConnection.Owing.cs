namespace Duologue;

// Owing: a handler's call may end, so that the next message is delivered, before all is answered that came before. What is owed then is due to the peer like what a call under way will say: its Close and its
// end wait for it, as long as they wait for a handler.
internal sealed partial class WebSocketConnection
{
    /// <summary>What the handler owes the peer beyond its calls; null for nothing. Any thread.</summary>
    internal object? Owed => _rare is { } rare ? Volatile.Read(ref rare.Owed) : null;

    /// <summary>Owes this from now on, and what was owed before no more. Within a call of the handler.</summary>
    internal void Owe(object what) => Volatile.Write(ref Rare.Owed, what);

    /// <summary>The peer has been sent this, or never will be. Once for each, with no lock held. Any thread.</summary>
    internal void Settle(object what)
    {
        // A full fence: whoever defers a close meanwhile sees that nothing is owed, or is seen.
        if (Interlocked.CompareExchange(ref Rare.Owed, null, what) == what && (_closeDeferred || _halfClosed))
        {
            CloseIfIdle();
        }
    }
}
