using System.Text;

namespace Duologue;

/// <summary>What a message carries. Source: RFC 6455 §5.6.</summary>
public enum MessageType
{
    /// <summary>UTF-8 text, valid as a whole.</summary>
    Text = 1,

    /// <summary>Bytes whose meaning is the application's.</summary>
    Binary = 2,
}

/// <summary>
/// One whole message from the peer.
/// </summary>
/// <remarks>
/// The bytes are borrowed. In a message handler they are valid until the handler's task completes; from
/// <see cref="Connection.ReceiveAsync(CancellationToken)"/> and <see cref="Connection.ReadAllAsync(CancellationToken)"/>
/// until the next receive on that connection, and on a server no longer than its delegate runs. Keep them longer with <see cref="ToArray"/> or <see cref="Text"/>.
/// </remarks>
public readonly struct Message : IEquatable<Message>
{
    /// <summary>Makes a message over bytes that the caller owns.</summary>
    /// <param name="type">Text or binary.</param>
    /// <param name="data">The payload; valid UTF-8 if <paramref name="type"/> is text.</param>
    public Message(MessageType type, ReadOnlyMemory<byte> data)
    {
        Type = type;
        Data = data;
    }

    /// <summary>Text or binary.</summary>
    public MessageType Type { get; }

    /// <summary>The payload. For text, its UTF-8 bytes, already validated.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>The payload decoded as UTF-8; a new string at each call.</summary>
    public string Text => Encoding.UTF8.GetString(Data.Span);

    /// <summary>A copy of the payload that outlives the message.</summary>
    public byte[] ToArray() => Data.ToArray();

    /// <inheritdoc/>
    public bool Equals(Message other) => Type == other.Type && Data.Equals(other.Data);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Message other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Type, Data);

    /// <summary>Compares the types and the identity of the memory, not its content.</summary>
    public static bool operator ==(Message left, Message right) => left.Equals(right);

    /// <summary>Compares the types and the identity of the memory, not its content.</summary>
    public static bool operator !=(Message left, Message right) => !left.Equals(right);
}
