using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Duologue.Protocol.Deflate;

internal enum InflateStatus
{
    /// <summary>As much was done as input and room allow.</summary>
    Ok,

    /// <summary>A block that says of itself that it is the last (BFINAL) has ended.</summary>
    End,

    /// <summary>The bytes are no DEFLATE.</summary>
    Corrupt,
}

/// <summary>A zlib decompressor with its window. Not thread-safe: one owner at a time. A safe handle, so that native memory is freed whatever happens.</summary>
internal sealed unsafe class Inflater : SafeHandle
{
    private readonly int _windowBits;
    private ZLib.State _stream;

    private Inflater(int windowBits)
        : base(0, ownsHandle: true) => _windowBits = windowBits;

    public override bool IsInvalid => handle == 0;

    /// <summary>Makes a decompressor; null if there is no memory for it.</summary>
    /// <param name="windowBits">9 to 15; a larger one reads all that is made with a smaller one.</param>
    public static Inflater? TryCreate(int windowBits)
    {
        var inflater = new Inflater(windowBits);
        int result;
        fixed (ZLib.State* stream = &inflater._stream)
        {
            result = ZLib.InflateInit(stream, windowBits);
        }

        if (result == ZLib.MemoryError)
        {
            inflater.Dispose();
            return null;
        }

        Check(result);
        inflater.SetHandle(inflater._stream.Inner);
        return inflater;
    }

    /// <summary>Decompresses.</summary>
    /// <param name="input">The next bytes; may be empty, for what is still to come of those before.</param>
    /// <param name="output">Where to; at least one byte.</param>
    /// <param name="consumed">How many bytes of the input were taken.</param>
    /// <param name="produced">How many bytes were written. As many as there is room for: there may be more, call again.</param>
    public InflateStatus Inflate(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int produced)
    {
        // The pointers are in bounds: zlib reads and writes no more than the counts beside them, and they live for the call only.
        fixed (ZLib.State* stream = &_stream)
        fixed (byte* from = input)
        fixed (byte* to = output)
        {
            stream->NextIn = from;
            stream->AvailableIn = (uint)input.Length;
            stream->NextOut = to;
            stream->AvailableOut = (uint)output.Length;
            int result = ZLib.Inflate(stream, ZLib.SyncFlush);
            consumed = input.Length - (int)stream->AvailableIn;
            produced = output.Length - (int)stream->AvailableOut;
            Debug.Assert(stream->NextIn == from + consumed && consumed >= 0, "zlib read no more than it was given.");
            Debug.Assert(stream->NextOut == to + produced && produced >= 0, "zlib wrote no more than it had room for.");
            stream->NextIn = null;
            stream->NextOut = null;
            switch (result)
            {
                // A buffer error is none: there was nothing to do.
                case ZLib.Ok or ZLib.BufferError:
                    return InflateStatus.Ok;
                case ZLib.StreamEnd:
                    return InflateStatus.End;
                case ZLib.DataError or ZLib.NeedDictionary:
                    return InflateStatus.Corrupt;
                default:
                    Check(result);
                    return InflateStatus.Corrupt;
            }
        }
    }

    /// <summary>Forgets all. Between messages of different connections this is what keeps one from reading the other's.</summary>
    public void Reset()
    {
        fixed (ZLib.State* stream = &_stream)
        {
            Check(ZLib.InflateReset(stream, _windowBits));
        }
    }

    protected override bool ReleaseHandle()
    {
        fixed (ZLib.State* stream = &_stream)
        {
            return ZLib.InflateEnd(stream) == ZLib.Ok;
        }
    }

    private static void Check(int result)
    {
        switch (result)
        {
            case ZLib.Ok:
                return;
            case ZLib.MemoryError:
                throw new InsufficientMemoryException("zlib has no memory to inflate a message.");
            default:
                throw new InvalidOperationException($"zlib's inflate answered {result}.");
        }
    }
}
