using System.Buffers;
using System.Buffers.Text;
using Duologue.EngineIo;
using Duologue.Peer;

namespace Duologue.AspNetCore;

/// <summary>
/// A session's WebSocket: one packet per message. It carries the session from the beginning, or takes over from polling when the client has tried it out.
/// </summary>
/// <remarks>What arrives before it carries is about the change; then it is the session's.</remarks>
internal sealed class SocketTransport(Session session, bool wantsBase64) : SessionTransport, IMessageHandler, ITimeoutTarget, IThreadPoolWorkItem
{
    private TimeoutLink _link;
    private int _sending;
    private int _again;

    // Whether it carries the session: at once, or from the client's word on.
    private volatile bool _carries;
    private volatile bool _opens;
    private volatile bool _closed;

    public override Transport Kind => Transport.WebSocket;

    ref TimeoutLink ITimeoutTarget.Link => ref _link;

    /// <summary>The WebSocket itself, which the application never sees.</summary>
    public WebSocketConnection Socket { get; set; } = null!;

    private SessionCarrier Carrier => session.Carrier;

    /// <summary>It carries the session from its opening on.</summary>
    public void CarryFromOpening() => (_carries, _opens) = (true, true);

    /// <summary>Lets the client try it out, but not for ever.</summary>
    public void AwaitUpgrade(TimeSpan timeout) => Socket.Setup.Wheel.Schedule(this, timeout);

    public ValueTask OnOpenAsync(Connection connection)
    {
        if (_opens)
        {
            Socket.Send(session.OpenPacket(Transport.WebSocket), MessageType.Text, MessageFlags.None);
            session.Start();
        }

        return default;
    }

    public ValueTask OnMessageAsync(Connection connection, Message message)
    {
        if (!_carries)
        {
            OnProbe(message);
            return default;
        }

        if (message.Type == MessageType.Binary)
        {
            Carrier.OnMessage(MessageType.Binary, message.Data.Span);
            return Carrier.DispatchAsync();
        }

        if (PacketReader.BringToServer(message.Data.Span, Carrier) != ClientPacket.Invalid)
        {
            return Carrier.DispatchAsync();
        }

        Carrier.Violate(ProtocolViolation.InvalidPacket);
        return default;
    }

    public ValueTask OnCloseAsync(Connection connection, CloseInfo info)
    {
        _closed = true;
        Socket.Setup.Wheel.Cancel(this);
        if (!_carries)
        {
            session.EndProbe(this);
            return default;
        }

        if (info.Violation is { } violation)
        {
            Carrier.Violate(violation);
            return default;
        }

        if (!info.WasClean)
        {
            Carrier.Lose();
            return default;
        }

        Carrier.OnClose(info.Code, info.Reason);
        return FinishAsync();
    }

    public override void OnPackets()
    {
        Volatile.Write(ref _again, 1);
        if (Interlocked.CompareExchange(ref _sending, 1, 0) == 0)
        {
            _ = SendAllAsync();
        }
    }

    public override void OnEnd(bool aborted)
    {
        if (aborted)
        {
            Socket.Abort();
        }
        else
        {
            CloseInfo info = Carrier.Connection.ClosedException().CloseInfo;
            bool isViolation = info.Violation is not null;
            Socket.BeginClose(isViolation ? Protocol.Violations.CloseCode(info.Violation!.Value) : (ushort)1000, isViolation ? info.Reason : "", CloseCause.LocalClose);
        }

        session.OnEnd();
    }

    void ITimeoutTarget.OnTimeout() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    void IThreadPoolWorkItem.Execute()
    {
        if (!_carries)
        {
            RefuseProbe("The client did not change to this WebSocket in time.");
        }
    }

    /// <summary>Closes a WebSocket that is only being tried out; the session goes on without it.</summary>
    public void RefuseProbe(string reason) => Socket.BeginClose(1002, reason, CloseCause.LocalClose);

    private void OnProbe(Message message)
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
            _carries = true;
            session.FinishUpgrade(this);
        }
        else
        {
            RefuseProbe("A packet came before the change to this WebSocket.");
        }
    }

    /// <summary>Takes packets and sends them, one at a time, until none is due.</summary>
    private async Task SendAllAsync()
    {
        do
        {
            Volatile.Write(ref _again, 0);
            try
            {
                await SendDueAsync().ConfigureAwait(false);
            }
            catch (ConnectionClosedException)
            {
                // The socket's end comes to OnCloseAsync, which ends the session; if it came while this was taking, it could not.
                if (_closed)
                {
                    await FinishAsync().ConfigureAwait(false);
                }
            }

            Volatile.Write(ref _sending, 0);
        }
        while (Volatile.Read(ref _again) != 0 && Interlocked.CompareExchange(ref _sending, 1, 0) == 0);
    }

    private async ValueTask SendDueAsync()
    {
        bool left = true;
        while (left)
        {
            if (_closed)
            {
                await FinishAsync().ConfigureAwait(false);
                return;
            }

            var packet = new OnePacket(wantsBase64);
            left = Carrier.Take(this, ref packet);
            if (packet.Data is { } data)
            {
                try
                {
                    await Socket.SendAsync(data.AsMemory(0, packet.Length), packet.Type, CancellationToken.None).ConfigureAwait(false);
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(data);
                }
            }
            else if (packet.Closing is { } closing)
            {
                Socket.BeginClose(closing.Code, closing.Reason, CloseCause.LocalClose);
            }
        }
    }

    /// <summary>The socket has closed: the connection learns it, and what still waits is reported as not sent.</summary>
    private async ValueTask FinishAsync()
    {
        await Carrier.DispatchAsync().ConfigureAwait(false);
        var nobody = default(CloseOnly);
        if (Carrier.Take(this, ref nobody))
        {
            Carrier.Lose();
        }
    }

    /// <summary>Takes one packet, as a WebSocket's message.</summary>
    private struct OnePacket(bool wantsBase64) : IPacketSink
    {
        public byte[]? Data { get; private set; }

        public int Length { get; private set; }

        public MessageType Type { get; private set; }

        public (ushort Code, string Reason)? Closing { get; private set; }

        private readonly bool IsFull => Data is not null || Closing is not null;

        public bool Message(MessageType type, ReadOnlySpan<byte> data)
        {
            if (IsFull)
            {
                return false;
            }

            Type = type == MessageType.Binary && wantsBase64 ? MessageType.Text : type;
            if (type == MessageType.Binary && wantsBase64)
            {
                byte[] encoded = ArrayPool<byte>.Shared.Rent(1 + Base64.GetMaxEncodedToUtf8Length(data.Length));
                encoded[0] = (byte)'b';
                _ = Base64.EncodeToUtf8(data, encoded.AsSpan(1), out _, out int written);
                (Data, Length) = (encoded, 1 + written);
                return true;
            }

            int prefix = type == MessageType.Text ? 1 : 0;
            byte[] rented = ArrayPool<byte>.Shared.Rent(Math.Max(1, prefix + data.Length));
            rented[0] = (byte)'4';
            data.CopyTo(rented.AsSpan(prefix));
            (Data, Length) = (rented, prefix + data.Length);
            return true;
        }

        public bool Ping() => One((byte)'2');

        public bool Pong() => One((byte)'3');

        public bool Close(ushort code, string reason)
        {
            if (IsFull)
            {
                return false;
            }

            Closing = (code, reason);
            return true;
        }

        private bool One(byte type)
        {
            if (IsFull)
            {
                return false;
            }

            byte[] rented = ArrayPool<byte>.Shared.Rent(1);
            rented[0] = type;
            (Data, Length, Type) = (rented, 1, MessageType.Text);
            return true;
        }
    }
}
