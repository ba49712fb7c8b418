using System.Buffers;
using System.Buffers.Text;

namespace Duologue.EngineIo;

/// <summary>
/// A session's WebSocket, on either side: one packet per message. What arrives before it carries the session is about the change to it, and the
/// side's own.
/// </summary>
internal abstract class SocketLink(bool wantsBase64) : SessionTransport, IMessageHandler
{
    private int _sending;
    private int _again;
    private volatile bool _closed;

    public override Transport Kind => Transport.WebSocket;

    /// <summary>The WebSocket itself, which the application never sees.</summary>
    public WebSocketConnection Socket { get; set; } = null!;

    /// <summary>The session, once it is known.</summary>
    protected abstract SessionCarrier Carrier { get; }

    /// <summary>Whether it carries the session already.</summary>
    protected abstract bool Carries { get; }

    public abstract ValueTask OnOpenAsync(Connection connection);

    public ValueTask OnMessageAsync(Connection connection, Message message)
    {
        if (!Carries)
        {
            return OnEarlyMessage(message);
        }

        if (message.Type == MessageType.Binary)
        {
            Carrier.OnMessage(MessageType.Binary, message.Data.Span);
            return Carrier.DispatchAsync();
        }

        if (Bring(message.Data.Span) != PacketKind.Invalid)
        {
            return Carrier.DispatchAsync();
        }

        Carrier.Violate(ProtocolViolation.InvalidPacket);
        return default;
    }

    public ValueTask OnCloseAsync(Connection connection, CloseInfo info)
    {
        _closed = true;
        if (!Carries)
        {
            OnEarlyEnd(info);
            return default;
        }

        OnSocketEnd(info);
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
            return;
        }

        CloseInfo info = Carrier.Connection.ClosedException().CloseInfo;
        bool isViolation = info.Violation is not null;
        Socket.BeginClose(isViolation ? Protocol.Violations.CloseCode(info.Violation!.Value) : (ushort)1000, isViolation ? info.Reason : "", CloseCause.LocalClose);
    }

    /// <summary>Gives the session a packet in a text.</summary>
    protected abstract PacketKind Bring(ReadOnlySpan<byte> packet);

    /// <summary>A message came before it carried the session.</summary>
    protected abstract ValueTask OnEarlyMessage(Message message);

    /// <summary>It ended before it carried the session.</summary>
    protected abstract void OnEarlyEnd(CloseInfo info);

    /// <summary>It ended while it carried the session, which learns it next.</summary>
    protected virtual void OnSocketEnd(CloseInfo info)
    {
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

            // A full fence: were the look below to overtake this write, whoever brings a packet at this moment could take it for one that is sent, and nobody would send it.
            Interlocked.Exchange(ref _sending, 0);
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
            Carrier.LoseClosed();
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
