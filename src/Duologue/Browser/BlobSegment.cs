namespace Duologue.Browser;

/// <summary>A stretch of a blob's content: bytes in memory, or a range of a file that is read only when asked for.</summary>
internal abstract class BlobSegment(long length)
{
    public long Length { get; } = length;

    /// <summary>A part of this stretch; both are within it.</summary>
    public abstract BlobSegment Slice(long start, long length);

    public abstract IBlobSource Open();
}

/// <summary>Reads one segment from its beginning to its end.</summary>
internal interface IBlobSource : IDisposable
{
    int Read(Span<byte> buffer);

    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);
}

/// <summary>Bytes that nobody writes to any more.</summary>
internal sealed class MemorySegment(ReadOnlyMemory<byte> bytes) : BlobSegment(bytes.Length)
{
    public ReadOnlyMemory<byte> Bytes => bytes;

    public override BlobSegment Slice(long start, long length) => new MemorySegment(bytes.Slice((int)start, (int)length));

    public override IBlobSource Open() => new Source(bytes);

    private sealed class Source(ReadOnlyMemory<byte> rest) : IBlobSource
    {
        public int Read(Span<byte> buffer)
        {
            int count = Math.Min(buffer.Length, rest.Length);
            rest.Span[..count].CopyTo(buffer);
            rest = rest[count..];
            return count;
        }

        public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => new(Read(buffer.Span));

        public void Dispose()
        {
        }
    }
}

/// <summary>
/// A range of a file as it was when the blob was made. A file that has changed since is refused: a blob is immutable
/// (W3C File API §4, snapshot state).
/// </summary>
internal sealed class FileSegment : BlobSegment
{
    private readonly FileInfo _snapshot;
    private readonly long _start;

    private FileSegment(FileInfo snapshot, long start, long length)
        : base(length)
    {
        _snapshot = snapshot;
        _start = start;
    }

    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static FileSegment Of(string path)
    {
        // FileInfo keeps what it saw at the first look: the snapshot.
        var snapshot = new FileInfo(Path.GetFullPath(path));
        return new FileSegment(snapshot, 0, snapshot.Length);
    }

    public override BlobSegment Slice(long start, long length) => new FileSegment(_snapshot, _start + start, length);

    public override IBlobSource Open()
    {
        try
        {
            var file = new FileStream(_snapshot.FullName, new FileStreamOptions
            {
                Mode = FileMode.Open,
                Access = FileAccess.Read,
                Share = FileShare.Read | FileShare.Delete,
                Options = FileOptions.Asynchronous | FileOptions.SequentialScan,
                BufferSize = 0,
            });
            bool changed = file.Length != _snapshot.Length || File.GetLastWriteTimeUtc(file.SafeFileHandle) != _snapshot.LastWriteTimeUtc;
            if (changed)
            {
                file.Dispose();
                throw DomException.NotReadable($"The file '{_snapshot.FullName}' has changed since its Blob was made; make a new Blob of it.");
            }

            file.Position = _start;
            return new Source(file, Length);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(_snapshot.FullName, error);
        }
    }

    private sealed class Source(FileStream file, long rest) : IBlobSource
    {
        public int Read(Span<byte> buffer)
        {
            try
            {
                return Took(file.Read(buffer[..(int)Math.Min(buffer.Length, rest)]), buffer.Length);
            }
            catch (IOException error)
            {
                throw Unreadable(file.Name, error);
            }
        }

        public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            try
            {
                int count = await file.ReadAsync(buffer[..(int)Math.Min(buffer.Length, rest)], cancellationToken).ConfigureAwait(false);
                return Took(count, buffer.Length);
            }
            catch (IOException error)
            {
                throw Unreadable(file.Name, error);
            }
        }

        public void Dispose() => file.Dispose();

        private int Took(int count, int wanted)
        {
            if (count == 0 && rest > 0 && wanted > 0)
            {
                throw DomException.NotReadable($"The file '{file.Name}' became shorter while its Blob was read.");
            }

            rest -= count;
            return count;
        }
    }

    private static DomException Unreadable(string name, Exception error) =>
        DomException.NotReadable($"The file '{name}' of a Blob cannot be read: {error.Message}", error);
}
