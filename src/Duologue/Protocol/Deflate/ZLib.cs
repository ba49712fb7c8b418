using System.Runtime.InteropServices;

namespace Duologue.Protocol.Deflate;

/// <summary>
/// The zlib that every .NET runtime carries for System.IO.Compression. The public classes above it know no window bits, cannot flush so that a
/// context is forgotten, and allocate for each message; so it is called directly.
/// </summary>
/// <remarks>
/// The exports are no public contract of .NET: they are probed once, compression is not offered where they are missing, and a test pins them for each
/// runtime.
/// </remarks>
internal static unsafe partial class ZLib
{
    public const int Ok = 0;
    public const int StreamEnd = 1;
    public const int NeedDictionary = 2;
    public const int DataError = -3;
    public const int MemoryError = -4;
    public const int BufferError = -5;

    public const int SyncFlush = 2;
    public const int FullFlush = 3;

    private const int Deflated = 8;
    private const int DefaultStrategy = 0;

    /// <summary>Why there is no zlib; null where there is one.</summary>
    public static string? Missing { get; } = Probe();

    /// <summary>Whether this runtime can compress.</summary>
    public static bool IsAvailable => Missing is null;

    /// <summary>Prepares raw DEFLATE (no header, no checksum).</summary>
    public static int DeflateInit(State* stream, int level, int windowBits, int memoryLevel) => OperatingSystem.IsWindows()
        ? OnWindows.DeflateInit(stream, level, Deflated, -windowBits, memoryLevel, DefaultStrategy)
        : OnUnix.DeflateInit(stream, level, Deflated, -windowBits, memoryLevel, DefaultStrategy);

    public static int Deflate(State* stream, int flush) => OperatingSystem.IsWindows() ? OnWindows.Deflate(stream, flush) : OnUnix.Deflate(stream, flush);

    public static int DeflateEnd(State* stream) => OperatingSystem.IsWindows() ? OnWindows.DeflateEnd(stream) : OnUnix.DeflateEnd(stream);

    /// <summary>Prepares for raw DEFLATE.</summary>
    public static int InflateInit(State* stream, int windowBits) => OperatingSystem.IsWindows()
        ? OnWindows.InflateInit(stream, -windowBits)
        : OnUnix.InflateInit(stream, -windowBits);

    public static int InflateReset(State* stream, int windowBits) => OperatingSystem.IsWindows()
        ? OnWindows.InflateReset(stream, -windowBits)
        : OnUnix.InflateReset(stream, -windowBits);

    public static int Inflate(State* stream, int flush) => OperatingSystem.IsWindows() ? OnWindows.Inflate(stream, flush) : OnUnix.Inflate(stream, flush);

    public static int InflateEnd(State* stream) => OperatingSystem.IsWindows() ? OnWindows.InflateEnd(stream) : OnUnix.InflateEnd(stream);

    /// <summary>A message there and back: it finds a missing export as well as a layout that has changed.</summary>
    private static string? Probe()
    {
        ReadOnlySpan<byte> message = "probe probe probe probe"u8;
        Span<byte> packed = stackalloc byte[128];
        Span<byte> unpacked = stackalloc byte[128];
        try
        {
            using Deflater? deflater = Deflater.TryCreate(Compression.LargestWindow);
            using Inflater? inflater = Inflater.TryCreate(Compression.LargestWindow);
            if (deflater is null || inflater is null)
            {
                return "zlib could not be initialized";
            }

            deflater.Deflate(message, packed, FullFlush, out int consumed, out int length);
            inflater.Reset();
            bool good = consumed == message.Length && length > 0 && length < packed.Length
                && inflater.Inflate(packed[..length], unpacked, out _, out int produced) == InflateStatus.Ok
                && unpacked[..produced].SequenceEqual(message);
            return good ? null : "zlib does not answer as expected";
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or PlatformNotSupportedException or InvalidOperationException)
        {
            return e.Message;
        }
    }

    /// <summary>The runtime's own shape of a zlib stream. zlib's state behind it has its place for good; this may move between calls.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct State
    {
        public byte* NextIn;
        public byte* NextOut;
        public byte* Message;
        public nint Inner;
        public uint AvailableIn;
        public uint AvailableOut;
    }

    // The runtime itself has the two names: on Windows libraries have no prefix, and Native AOT links by the exact name.
    private static partial class OnUnix
    {
        private const string Library = "libSystem.IO.Compression.Native";

        [LibraryImport(Library, EntryPoint = "CompressionNative_DeflateInit2_")]
        public static partial int DeflateInit(State* stream, int level, int method, int windowBits, int memoryLevel, int strategy);

        [LibraryImport(Library, EntryPoint = "CompressionNative_Deflate")]
        public static partial int Deflate(State* stream, int flush);

        [LibraryImport(Library, EntryPoint = "CompressionNative_DeflateEnd")]
        public static partial int DeflateEnd(State* stream);

        [LibraryImport(Library, EntryPoint = "CompressionNative_InflateInit2_")]
        public static partial int InflateInit(State* stream, int windowBits);

        [LibraryImport(Library, EntryPoint = "CompressionNative_InflateReset2_")]
        public static partial int InflateReset(State* stream, int windowBits);

        [LibraryImport(Library, EntryPoint = "CompressionNative_Inflate")]
        public static partial int Inflate(State* stream, int flush);

        [LibraryImport(Library, EntryPoint = "CompressionNative_InflateEnd")]
        public static partial int InflateEnd(State* stream);
    }

    private static partial class OnWindows
    {
        private const string Library = "System.IO.Compression.Native";

        [LibraryImport(Library, EntryPoint = "CompressionNative_DeflateInit2_")]
        public static partial int DeflateInit(State* stream, int level, int method, int windowBits, int memoryLevel, int strategy);

        [LibraryImport(Library, EntryPoint = "CompressionNative_Deflate")]
        public static partial int Deflate(State* stream, int flush);

        [LibraryImport(Library, EntryPoint = "CompressionNative_DeflateEnd")]
        public static partial int DeflateEnd(State* stream);

        [LibraryImport(Library, EntryPoint = "CompressionNative_InflateInit2_")]
        public static partial int InflateInit(State* stream, int windowBits);

        [LibraryImport(Library, EntryPoint = "CompressionNative_InflateReset2_")]
        public static partial int InflateReset(State* stream, int windowBits);

        [LibraryImport(Library, EntryPoint = "CompressionNative_Inflate")]
        public static partial int Inflate(State* stream, int flush);

        [LibraryImport(Library, EntryPoint = "CompressionNative_InflateEnd")]
        public static partial int InflateEnd(State* stream);
    }
}
