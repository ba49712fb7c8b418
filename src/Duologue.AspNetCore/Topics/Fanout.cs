using System.Text;
using System.Text.Unicode;
using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue.AspNetCore;

/// <summary>Encodes a message once, compresses it once per distinct agreement, and gives the frames to many connections.</summary>
internal static class Fanout
{
    /// <summary>The frame of a text message; lone surrogates become U+FFFD.</summary>
    public static BroadcastFrame Encode(string text, MessageFlags flags)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new(Opcode.Text, Encoding.UTF8.GetBytes(text), flags);
    }

    /// <summary>The frame of a message.</summary>
    /// <exception cref="ArgumentException">Text that is not UTF-8.</exception>
    public static BroadcastFrame Encode(ReadOnlySpan<byte> data, MessageType type, MessageFlags flags)
    {
        switch (type)
        {
            case MessageType.Text when !Utf8.IsValid(data):
                throw new ArgumentException("The text is not valid UTF-8, which RFC 6455 §5.6 demands; send it as binary, or correct it.", nameof(data));
            case MessageType.Text:
                return new(Opcode.Text, data, flags);
            case MessageType.Binary:
                return new(Opcode.Binary, data, flags);
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "A message is text or binary.");
        }
    }

    public static FanoutResult Send(ReadOnlySpan<WebSocketConnection> connections, BroadcastFrame frame)
    {
        int dropped = 0;
        foreach (WebSocketConnection connection in connections)
        {
            if (connection.SendFrame(frame) == SendResult.Dropped)
            {
                dropped++;
            }
        }

        return new(connections.Length - dropped, dropped);
    }
}
