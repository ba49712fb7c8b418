using System.Buffers;

namespace Duologue.Browser;

/// <summary>A message that waits to be sent: a copy in an array of the shared pool, or a blob yet to be read.</summary>
internal readonly struct OutgoingMessage
{
    private readonly byte[]? _rented;
    private readonly int _length;

    private OutgoingMessage(MessageType type, byte[]? rented, int length, Blob? blob)
    {
        Type = type;
        _rented = rented;
        _length = length;
        Blob = blob;
    }

    public MessageType Type { get; }

    public Blob? Blob { get; }

    /// <summary>The content if it lies in memory; else null, and the blob is to be read.</summary>
    public ReadOnlyMemory<byte>? Bytes => Blob is null ? _rented.AsMemory(0, _length) : Blob.InMemory;

    /// <summary>The bytes that it keeps in memory until it is released.</summary>
    public int HeldBytes => _length;

    /// <param name="type">Text or binary.</param>
    /// <param name="rented">An array of the shared pool, the message's own from here on.</param>
    /// <param name="length">How much of it is the message.</param>
    public static OutgoingMessage Of(MessageType type, byte[] rented, int length) => new(type, rented, length, null);

    public static OutgoingMessage Of(Blob blob) => new(MessageType.Binary, null, 0, blob);

    public void Release()
    {
        if (_rented is not null)
        {
            ArrayPool<byte>.Shared.Return(_rented);
        }
    }
}
