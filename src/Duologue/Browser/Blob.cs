using System.Text;

namespace Duologue.Browser;

/// <summary>
/// Immutable raw data, in memory or in files that are read only when their content is asked for. Safe from any thread.
/// Source: W3C File API §3.
/// </summary>
public sealed class Blob
{
    private readonly BlobSegment[] _segments;

    /// <summary>An empty blob.</summary>
    public Blob()
        : this([], 0, "")
    {
    }

    /// <summary>A blob over a copy of the bytes.</summary>
    public Blob(ReadOnlySpan<byte> bytes)
        : this([new MemorySegment(bytes.ToArray())], bytes.Length, "")
    {
    }

    /// <summary>A blob of the parts one after the other. Texts are encoded as UTF-8, bytes copied, blobs shared.</summary>
    /// <param name="parts">Strings, byte arrays, memory and blobs, as in <c>["text", bytes]</c>.</param>
    public Blob(IEnumerable<BlobPart> parts)
        : this(parts, "")
    {
    }

    /// <summary>A blob of the parts one after the other, of a media type.</summary>
    /// <param name="parts">Strings, byte arrays, memory and blobs, as in <c>["text", bytes]</c>.</param>
    /// <param name="type">See <see cref="Type"/>.</param>
    public Blob(IEnumerable<BlobPart> parts, string type)
        : this(Gather(parts), type)
    {
    }

    private Blob(BlobSegment[] segments, string type)
        : this(segments, segments.Sum(static s => s.Length), type)
    {
    }

    private Blob(BlobSegment[] segments, long size, string type)
    {
        _segments = segments;
        Size = size;
        Type = NormalizeType(type);
    }

    /// <summary>The length in bytes.</summary>
    public long Size { get; }

    /// <summary>The media type in lower case; empty if unknown or if it was given with characters outside U+0020 to U+007E.</summary>
    public string Type { get; }

    /// <summary>The bytes if they lie in memory in one piece, which is how they are sent as one frame; else null.</summary>
    internal ReadOnlyMemory<byte>? InMemory => _segments switch
    {
        [] => ReadOnlyMemory<byte>.Empty,
        [MemorySegment only] => only.Bytes,

        // Spelled out: a bare null would become an empty memory, by way of a null array.
        _ => default(ReadOnlyMemory<byte>?),
    };

    /// <summary>A blob over a file, which is not read before its content is asked for.</summary>
    /// <param name="path">The file. It must not change while the blob is in use; reading then throws.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static Blob FromFile(string path) => FromFile(path, "");

    /// <inheritdoc cref="FromFile(string)"/>
    /// <param name="path">The file. It must not change while the blob is in use; reading then throws.</param>
    /// <param name="type">See <see cref="Type"/>.</param>
    public static Blob FromFile(string path, string type)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(type);
        return new Blob([FileSegment.Of(path)], type);
    }

    /// <summary>A blob over bytes that the caller promises never to write again.</summary>
    internal static Blob Owning(byte[] bytes) => new([new MemorySegment(bytes)], "");

    /// <summary>The bytes from an index on; nothing is copied.</summary>
    /// <param name="start">Clamped to the blob; a negative one counts from the end.</param>
    public Blob Slice(long start) => Slice(start, Size, "");

    /// <summary>The bytes from one index to before another; nothing is copied.</summary>
    /// <param name="start">Clamped to the blob; a negative one counts from the end.</param>
    /// <param name="end">As <paramref name="start"/>; the byte at it is not included.</param>
    public Blob Slice(long start, long end) => Slice(start, end, "");

    /// <summary>The bytes from one index to before another, of a media type of their own; nothing is copied.</summary>
    /// <param name="start">Clamped to the blob; a negative one counts from the end.</param>
    /// <param name="end">As <paramref name="start"/>; the byte at it is not included.</param>
    /// <param name="type">See <see cref="Type"/>; it is not inherited.</param>
    public Blob Slice(long start, long end, string type)
    {
        ArgumentNullException.ThrowIfNull(type);
        long from = Clamp(start);
        long to = Math.Max(Clamp(end), from);
        var slice = new List<BlobSegment>();
        long offset = 0;
        foreach (BlobSegment segment in _segments)
        {
            long first = Math.Max(from - offset, 0);
            long last = Math.Min(to - offset, segment.Length);
            if (first < last)
            {
                slice.Add(segment.Slice(first, last - first));
            }

            offset += segment.Length;
        }

        return new Blob([.. slice], type);
    }

    /// <summary>Opens the content for reading from its beginning. Each call gives a stream of its own, which does not seek.</summary>
    /// <remarks>Reading throws a <see cref="DomException"/> named NotReadableError if a file has changed or cannot be read.</remarks>
    public Stream OpenRead() => new BlobStream(_segments, Size);

    /// <summary>All bytes, in a new array.</summary>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="DomException">NotReadableError: a file has changed or cannot be read.</exception>
    /// <exception cref="InvalidOperationException">The blob is larger than an array can be.</exception>
    public async Task<byte[]> BytesAsync(CancellationToken cancellationToken)
    {
        if (Size > Array.MaxLength)
        {
            throw new InvalidOperationException($"The Blob has {Size} bytes, more than an array can hold; read it with OpenRead.");
        }

        byte[] bytes = GC.AllocateUninitializedArray<byte>((int)Size);
        Stream stream = OpenRead();
        await using (stream.ConfigureAwait(false))
        {
            await stream.ReadExactlyAsync(bytes, cancellationToken).ConfigureAwait(false);
        }

        return bytes;
    }

    /// <inheritdoc cref="BytesAsync(CancellationToken)"/>
    public Task<byte[]> BytesAsync() => BytesAsync(CancellationToken.None);

    /// <summary>The content decoded as UTF-8, without a byte order mark; what is not UTF-8 becomes U+FFFD.</summary>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="DomException">NotReadableError: a file has changed or cannot be read.</exception>
    /// <exception cref="InvalidOperationException">The blob is larger than an array can be.</exception>
    public async Task<string> TextAsync(CancellationToken cancellationToken)
    {
        byte[] bytes = await BytesAsync(cancellationToken).ConfigureAwait(false);
        ReadOnlySpan<byte> text = bytes;
        return Encoding.UTF8.GetString(text.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text);
    }

    /// <inheritdoc cref="TextAsync(CancellationToken)"/>
    public Task<string> TextAsync() => TextAsync(CancellationToken.None);

    private static BlobSegment[] Gather(IEnumerable<BlobPart> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        var segments = new List<BlobSegment>();
        foreach (BlobPart part in parts)
        {
            switch (part.Value)
            {
                case string text:
                    segments.Add(new MemorySegment(Encoding.UTF8.GetBytes(text)));
                    break;
                case ReadOnlyMemory<byte> bytes:
                    segments.Add(new MemorySegment(bytes.ToArray()));
                    break;
                case Blob blob:
                    segments.AddRange(blob._segments);
                    break;
                default:
                    throw new ArgumentException("A part of the Blob is the default value of BlobPart; give a string, bytes or a Blob.", nameof(parts));
            }
        }

        return [.. segments];
    }

    private long Clamp(long index) => index < 0 ? Math.Max(Size + index, 0) : Math.Min(index, Size);

    private static string NormalizeType(string type)
    {
        ArgumentNullException.ThrowIfNull(type);
        return type.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0 ? type.ToLowerInvariant() : "";
    }
}
