using Duologue.EngineIo;
using Duologue.Peer;

namespace Duologue.AspNetCore;

/// <summary>
/// A session's WebSocket on its server. It carries the session from the beginning, or takes over from polling when the client has tried it out.
/// </summary>
internal sealed class SocketTransport(Session session, bool wantsBase64) : SocketLink(wantsBase64), ITimeoutTarget, IThreadPoolWorkItem
{
    private const int Tried = 0;
    private const int Carrying = 1;
    private const int TooLate = 2;

    private TimeoutLink _link;

    // Whether it carries the session, at once or from the client's word on, or that word comes too late: what comes first decides.
    private int _state;
    private volatile bool _opens;

    // Whether it was told how the try ended: what ends it ends the WebSocket too, which would tell another.
    private int _told;

    ref TimeoutLink ITimeoutTarget.Link => ref _link;

    protected override SessionCarrier Carrier => session.Carrier;

    protected override bool Carries => Volatile.Read(ref _state) == Carrying;

    /// <summary>It carries the session from its opening on.</summary>
    public void CarryFromOpening() => (_state, _opens) = (Carrying, true);

    /// <summary>Lets the client try it out, but not for ever.</summary>
    public void AwaitUpgrade(TimeSpan timeout) => Socket.Setup.Wheel.Schedule(this, timeout);

    /// <summary>Closes a WebSocket that is only being tried out; the session goes on without it.</summary>
    public void RefuseProbe(string reason)
    {
        _ = Interlocked.CompareExchange(ref _state, TooLate, Tried);
        Socket.BeginClose(1002, reason, CloseCause.LocalClose);
    }

    public override ValueTask OnOpenAsync(Connection connection)
    {
        if (_opens)
        {
            Socket.Send(session.OpenPacket(Transport.WebSocket), MessageType.Text, MessageFlags.None);
            session.Start();
        }

        return default;
    }

    public override void OnEnd(bool aborted)
    {
        base.OnEnd(aborted);
        session.OnEnd();
    }

    void ITimeoutTarget.OnTimeout() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    void IThreadPoolWorkItem.Execute()
    {
        if (Interlocked.CompareExchange(ref _state, TooLate, Tried) == Tried)
        {
            Tell(UpgradeOutcome.Timeout);
            RefuseProbe("The client did not change to this WebSocket in time.");
        }
    }

    protected override PacketKind Bring(ReadOnlySpan<byte> packet) => PacketReader.BringToServer(packet, Carrier);

    protected override ValueTask OnEarlyMessage(Message message)
    {
        ReadOnlySpan<byte> data = message.Data.Span;
        if (message.Type == MessageType.Text && data.SequenceEqual("2probe"u8))
        {
            // The answer first, the release of a held GET a moment later.
            Socket.Send("3probe"u8, MessageType.Text);
            session.Polled?.Hurry();
        }
        else if (message.Type == MessageType.Text && data.SequenceEqual("5"u8))
        {
            Socket.Setup.Wheel.Cancel(this);
            if (Interlocked.CompareExchange(ref _state, Carrying, Tried) == Tried)
            {
                session.FinishUpgrade(this);
            }
            else
            {
                // It crossed the close that tells it so. The client polls no more, and this WebSocket ends: nothing brings it what is due.
                session.Carrier.Lose();
            }
        }
        else
        {
            RefuseProbe("A packet came before the change to this WebSocket.");
        }

        return default;
    }

    protected override void OnEarlyEnd(CloseInfo info)
    {
        Socket.Setup.Wheel.Cancel(this);
        Tell(UpgradeOutcome.Failed);
        session.EndProbe(this);
    }

    /// <summary>Tells how the try ended, unless that is told already.</summary>
    public void Tell(UpgradeOutcome outcome)
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
        {
            session.ReportUpgrade(outcome);
        }
    }

    protected override void OnSocketEnd(CloseInfo info) => Socket.Setup.Wheel.Cancel(this);
}
