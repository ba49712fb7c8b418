using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Duologue.Protocol.Deflate;

/// <summary>A zlib compressor with its window. Not thread-safe: one owner at a time. A safe handle, so that native memory is freed whatever happens.</summary>
internal sealed unsafe class Deflater : SafeHandle
{
    /// <summary>zlib's level: nearly what its default of 6 saves, for half the time; see docs/compression.md.</summary>
    private const int CompressionLevel = 3;

    // Less room than this makes zlib repeat the marker of a flush.
    private const int LeastRoom = 16;

    private ZLib.State _stream;

    private Deflater(int windowBits)
        : base(0, ownsHandle: true) => WindowBits = windowBits;

    public override bool IsInvalid => handle == 0;

    /// <summary>How far back it refers: 2 to the power of this, in bytes.</summary>
    public int WindowBits { get; }

    /// <summary>Makes a compressor; null if there is no memory for it.</summary>
    /// <param name="windowBits">9 to 15.</param>
    public static Deflater? TryCreate(int windowBits) => TryCreate(windowBits, CompressionLevel);

    internal static Deflater? TryCreate(int windowBits, int level)
    {
        var deflater = new Deflater(windowBits);
        int result;
        fixed (ZLib.State* stream = &deflater._stream)
        {
            result = ZLib.DeflateInit(stream, level, windowBits, MemoryLevelFor(windowBits));
        }

        if (result == ZLib.MemoryError)
        {
            deflater.Dispose();
            return null;
        }

        Check(result);
        deflater.SetHandle(deflater._stream.Inner);
        return deflater;
    }

    /// <summary>Compresses.</summary>
    /// <param name="input">The next bytes.</param>
    /// <param name="output">Where to; at least 16 bytes.</param>
    /// <param name="flush">One of zlib's: that of the piece, the same until the piece is done.</param>
    /// <param name="consumed">How many bytes of the input were taken.</param>
    /// <param name="produced">How many bytes were written. As many as there is room for: there may be more, call again.</param>
    public void Deflate(ReadOnlySpan<byte> input, Span<byte> output, int flush, out int consumed, out int produced)
    {
        Debug.Assert(output.Length >= LeastRoom, "Too little room makes zlib repeat itself.");

        // The pointers are in bounds: zlib reads and writes no more than the counts beside them, and they live for the call only.
        fixed (ZLib.State* stream = &_stream)
        fixed (byte* from = input)
        fixed (byte* to = output)
        {
            stream->NextIn = from;
            stream->AvailableIn = (uint)input.Length;
            stream->NextOut = to;
            stream->AvailableOut = (uint)output.Length;
            int result = ZLib.Deflate(stream, flush);
            consumed = input.Length - (int)stream->AvailableIn;
            produced = output.Length - (int)stream->AvailableOut;
            Debug.Assert(stream->NextIn == from + consumed && consumed >= 0, "zlib read no more than it was given.");
            Debug.Assert(stream->NextOut == to + produced && produced >= 0, "zlib wrote no more than it had room for.");
            stream->NextIn = null;
            stream->NextOut = null;

            // A buffer error is none: there was nothing to do.
            if (result != ZLib.BufferError)
            {
                Check(result);
            }
        }
    }

    /// <summary>Forgets all that was compressed, and drops what was not taken: what comes next refers to nothing before it.</summary>
    public void Forget()
    {
        Span<byte> scratch = stackalloc byte[512];
        int produced;
        do
        {
            // What a full flush writes, an empty block, changes nothing for the peer: it is not sent.
            Deflate(default, scratch, ZLib.FullFlush, out _, out produced);
        }
        while (produced == scratch.Length);
    }

    protected override bool ReleaseHandle()
    {
        fixed (ZLib.State* stream = &_stream)
        {
            // zlib reports input that was never flushed as an error; the memory is freed all the same.
            ZLib.DeflateEnd(stream);
        }

        return true;
    }

    // zlib's default of 8 holds 16,384 symbols before it writes a block. So many pay for large files; messages do with 4,096, and with 2,048 where a smaller
    // window says that memory is dear. Fewer would cut messages of some kilobytes into blocks with a head of their own, which costs time and bytes.
    private static int MemoryLevelFor(int windowBits) => windowBits == Compression.LargestWindow ? 6 : 5;

    private static void Check(int result)
    {
        if (result != ZLib.Ok)
        {
            throw new InvalidOperationException($"zlib's deflate answered {result}.");
        }
    }
}
