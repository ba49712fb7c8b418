using System.Buffers;
using System.Buffers.Text;

namespace Duologue.EngineIo;

/// <summary>Reads one packet of Engine.IO v4 as it stands in a text: in a polled payload between separators, on a WebSocket in a text message.</summary>
internal static class PacketReader
{
    /// <summary>What separates the packets of a polled payload. There is no escape for it.</summary>
    public const byte Separator = 0x1E;

    /// <summary>Whether a packet brings a message.</summary>
    public static bool IsMessage(in ReadOnlySequence<byte> packet) => new SequenceReader<byte>(packet).TryPeek(out byte type) && type is (byte)'4' or (byte)'b';

    /// <summary>Gives what a client sent to the server's carrier, whose <see cref="SessionCarrier.DispatchAsync"/> must follow.</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="carrier">The session.</param>
    /// <returns>What it was; <see cref="PacketKind.Invalid"/> has given nothing.</returns>
    public static PacketKind BringToServer(ReadOnlySpan<byte> packet, SessionCarrier carrier)
    {
        if (BringToEither(packet, carrier) is { } kind)
        {
            return kind;
        }

        switch (packet[0])
        {
            case (byte)'3':
                carrier.OnPong();
                return PacketKind.Taken;
            case (byte)'0' or (byte)'5' or (byte)'6':
                // Without a meaning in a session that runs, and harmless.
                return PacketKind.Taken;
            default:
                // In v4 the server alone pings.
                return PacketKind.Invalid;
        }
    }

    /// <summary>Gives what a server sent to the client's carrier, whose <see cref="SessionCarrier.DispatchAsync"/> must follow.</summary>
    /// <inheritdoc cref="BringToServer"/>
    public static PacketKind BringToClient(ReadOnlySpan<byte> packet, SessionCarrier carrier)
    {
        if (BringToEither(packet, carrier) is { } kind)
        {
            return kind;
        }

        switch (packet[0])
        {
            case (byte)'2':
                carrier.OnPing();
                return PacketKind.Taken;
            case (byte)'6':
                // It only ends a request that was held.
                return PacketKind.Taken;
            default:
                return PacketKind.Invalid;
        }
    }

    /// <summary>What both may send; null for the rest, which is not empty.</summary>
    private static PacketKind? BringToEither(ReadOnlySpan<byte> packet, SessionCarrier carrier)
    {
        if (packet.IsEmpty)
        {
            return PacketKind.Invalid;
        }

        ReadOnlySpan<byte> data = packet[1..];
        switch (packet[0])
        {
            case (byte)'4':
                carrier.OnMessage(MessageType.Text, data);
                return PacketKind.Taken;
            case (byte)'b':
                return BringBinary(data, carrier) ? PacketKind.Taken : PacketKind.Invalid;
            case (byte)'1':
                carrier.OnClose(1005, "");
                return PacketKind.Close;
            default:
                return null;
        }
    }

    private static bool BringBinary(ReadOnlySpan<byte> base64, SessionCarrier carrier)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(base64.Length);
        try
        {
            // Both alphabets, with the padding or without: what clients make differs.
            Span<byte> bytes = rented.AsSpan(0, base64.Length);
            base64.CopyTo(bytes);
            bytes.Replace((byte)'+', (byte)'-');
            bytes.Replace((byte)'/', (byte)'_');
            if (!Base64Url.IsValid(bytes))
            {
                return false;
            }

            int length = Base64Url.DecodeFromUtf8InPlace(bytes);
            carrier.OnMessage(MessageType.Binary, bytes[..length]);
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}

/// <summary>What a packet was.</summary>
internal enum PacketKind
{
    /// <summary>No packet, or one that this peer may not send.</summary>
    Invalid,

    /// <summary>It was dealt with.</summary>
    Taken,

    /// <summary>The peer closes: nothing counts that comes behind it.</summary>
    Close,
}
