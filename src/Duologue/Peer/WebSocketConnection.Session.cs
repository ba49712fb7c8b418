using Microsoft.Extensions.Logging;

namespace Duologue;

// What a carrier that is a session of Engine.IO needs of its connection: see EngineIo.SessionCarrier.
internal sealed partial class WebSocketConnection
{
    /// <inheritdoc/>
    public override Transport Transport => _carrier?.Transport ?? Transport.WebSocket;

    /// <summary>
    /// Whether a message that the carrier brought was discarded: the conversation, or who received in it, had ended, the handler had failed, or the message broke a
    /// rule. Any thread.
    /// </summary>
    public bool HasCut => _rare is { HasCut: true };

    /// <summary>Sends a ping whose answer is a round trip. Any thread.</summary>
    public void BeginPing()
    {
        bool flush;
        lock (Gate)
        {
            if (CannotSend)
            {
                return;
            }

            _pings ??= [];
            flush = _pings.Count < MaxOutstandingPings && SendPing();
        }

        if (flush)
        {
            Flush();
        }
    }

    /// <summary>The peer gave no sign of life, as the carrier judges it.</summary>
    public void EndForSilence(TimeSpan timeout)
    {
        if (_setup.Logger.IsEnabled(LogLevel.Information))
        {
            _setup.Logger.KeepAliveTimedOut(Id, timeout);
        }

        End(CloseCause.KeepAliveTimeout);
    }

    /// <summary>The carrier knows that the peer, which has closed, takes nothing any more: its Close needs no answer. What was not sent by then is told as such.</summary>
    public void ForgoAnswer()
    {
        lock (Gate)
        {
            if (_closeReceived)
            {
                Rare.NeedsNoAnswer = true;
            }
        }
    }

    /// <summary>The other side has refused what was sent for its size. The carrier's end follows.</summary>
    public void RefuseForSize(string sentence)
    {
        lock (Gate)
        {
            if (Cause is null && !_closeSent)
            {
                (Cause, SentReason) = (CloseCause.MessageTooBig, sentence);
            }
        }
    }

    /// <summary>The peer broke a rule that is not one of the frames'.</summary>
    public void Violate(ProtocolViolation violation)
    {
        CutOpenMessage();
        OnViolation(violation);
    }

    private void ThrowIfSessionCannot(bool cannot, string what)
    {
        if (cannot && _setup.IsSession)
        {
            throw new NotSupportedException($"A session over Engine.IO cannot {what}.");
        }
    }
}
