using System.Text;
using System.Text.Unicode;
using Duologue.Protocol;

namespace Duologue.AspNetCore;

/// <summary>Encodes a message once and gives the frame to many connections.</summary>
internal static class Fanout
{
    /// <summary>The frame of a text message; lone surrogates become U+FFFD.</summary>
    public static Frame Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Encode(Opcode.Text, Encoding.UTF8.GetBytes(text));
    }

    /// <summary>The frame of a message.</summary>
    /// <exception cref="ArgumentException">Text that is not UTF-8.</exception>
    public static Frame Encode(ReadOnlySpan<byte> data, MessageType type)
    {
        switch (type)
        {
            case MessageType.Text when !Utf8.IsValid(data):
                throw new ArgumentException("The text is not valid UTF-8, which RFC 6455 §5.6 demands; send it as binary, or correct it.", nameof(data));
            case MessageType.Text:
                return Encode(Opcode.Text, data);
            case MessageType.Binary:
                return Encode(Opcode.Binary, data);
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "A message is text or binary.");
        }
    }

    public static FanoutResult Send(ReadOnlySpan<WebSocketConnection> connections, in Frame frame)
    {
        int dropped = 0;
        foreach (WebSocketConnection connection in connections)
        {
            if (connection.SendFrame(frame.Bytes, frame.PayloadLength) == SendResult.Dropped)
            {
                dropped++;
            }
        }

        return new(connections.Length - dropped, dropped);
    }

    private static Frame Encode(Opcode opcode, ReadOnlySpan<byte> payload) => new(FrameWriter.Encode(opcode, payload), payload.Length);

    /// <summary>A whole message as a server sends it, never written again.</summary>
    public readonly record struct Frame(ReadOnlyMemory<byte> Bytes, int PayloadLength);
}
