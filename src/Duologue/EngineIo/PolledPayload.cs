using System.Buffers;
using System.Buffers.Text;

namespace Duologue.EngineIo;

/// <summary>Writes what is due as the payload of a polled request or answer: packets, with separators between, up to a size.</summary>
/// <remarks>A mutable struct: pass by reference.</remarks>
/// <param name="body">Where it goes.</param>
/// <param name="limit">How long the payload may become. A packet that is longer goes alone.</param>
internal struct PolledPayload(FrameBuffer body, int limit) : IPacketSink
{
    public readonly FrameBuffer Body => body;

    /// <summary>The code and reason of the close that was taken, if one was; Engine.IO's packet has no room for them.</summary>
    public (ushort Code, string Reason)? Closing { get; private set; }

    public readonly bool Message(MessageType type, ReadOnlySpan<byte> data)
    {
        // A separator within a text would end the packet: it travels as binary then, with the same bytes.
        if (type == MessageType.Binary || data.Contains(PacketReader.Separator))
        {
            int encoded = Base64.GetMaxEncodedToUtf8Length(data.Length);
            if (!TryBegin((byte)'b', encoded))
            {
                return false;
            }

            _ = Base64.EncodeToUtf8(data, body.GetSpan(encoded), out _, out int written);
            body.Advance(written);
            return true;
        }

        if (!TryBegin((byte)'4', data.Length))
        {
            return false;
        }

        body.Write(data);
        return true;
    }

    public readonly bool Ping() => TryBegin((byte)'2', 0);

    public readonly bool Pong() => TryBegin((byte)'3', 0);

    public bool Close(ushort code, string reason)
    {
        Closing = (code, reason);
        return true;
    }

    /// <summary>Writes a packet without data, whatever the size.</summary>
    public readonly void Add(char type) => Begin((byte)type);

    private readonly bool TryBegin(byte type, int length)
    {
        if (body.Length > 0 && body.Length + 2L + length > limit)
        {
            return false;
        }

        Begin(type);
        return true;
    }

    private readonly void Begin(byte type)
    {
        Span<byte> span = body.GetSpan(2);
        int count = 0;
        if (body.Length > 0)
        {
            span[count++] = PacketReader.Separator;
        }

        span[count++] = type;
        body.Advance(count);
    }
}

/// <summary>Takes what no peer is left for: a close, but no message, which is then reported as not sent.</summary>
internal readonly struct CloseOnly : IPacketSink
{
    public bool Message(MessageType type, ReadOnlySpan<byte> data) => false;

    public bool Ping() => true;

    public bool Pong() => true;

    public bool Close(ushort code, string reason) => true;
}
