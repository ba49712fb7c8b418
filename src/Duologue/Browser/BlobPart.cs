namespace Duologue.Browser;

/// <summary>
/// One piece of a <see cref="Blob"/> to be made: a text, bytes or another blob. All convert to it implicitly, so that
/// <c>new Blob(["text", bytes, blob])</c> reads as in the browser.
/// </summary>
public readonly struct BlobPart : IEquatable<BlobPart>
{
    private BlobPart(object value) => Value = value;

    /// <summary>A string, byte memory or a blob; null in the default value.</summary>
    internal object? Value { get; }

    /// <summary>A text, to be encoded as UTF-8; lone surrogates become U+FFFD.</summary>
    public static BlobPart FromString(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new BlobPart(text);
    }

    /// <summary>Bytes; they are copied when the blob is made.</summary>
    public static BlobPart FromByteArray(byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        return new BlobPart(new ReadOnlyMemory<byte>(bytes));
    }

    /// <summary>Bytes; they are copied when the blob is made.</summary>
    public static BlobPart FromReadOnlyMemory(ReadOnlyMemory<byte> bytes) => new(bytes);

    /// <summary>Another blob; its content is shared, not copied.</summary>
    public static BlobPart FromBlob(Blob blob)
    {
        ArgumentNullException.ThrowIfNull(blob);
        return new BlobPart(blob);
    }

    /// <inheritdoc cref="FromString(string)"/>
    public static implicit operator BlobPart(string text) => FromString(text);

    /// <inheritdoc cref="FromByteArray(byte[])"/>
    public static implicit operator BlobPart(byte[] bytes) => FromByteArray(bytes);

    /// <inheritdoc cref="FromReadOnlyMemory(ReadOnlyMemory{byte})"/>
    public static implicit operator BlobPart(ReadOnlyMemory<byte> bytes) => FromReadOnlyMemory(bytes);

    /// <inheritdoc cref="FromBlob(Blob)"/>
    public static implicit operator BlobPart(Blob blob) => FromBlob(blob);

    /// <inheritdoc/>
    public bool Equals(BlobPart other) => Equals(Value, other.Value);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BlobPart other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value?.GetHashCode() ?? 0;

    /// <summary>Compares the values; byte memory by identity, not by content.</summary>
    public static bool operator ==(BlobPart left, BlobPart right) => left.Equals(right);

    /// <summary>Compares the values; byte memory by identity, not by content.</summary>
    public static bool operator !=(BlobPart left, BlobPart right) => !left.Equals(right);
}
