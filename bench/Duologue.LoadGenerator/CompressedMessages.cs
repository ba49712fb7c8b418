using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text;

namespace Duologue.LoadGenerator;

/// <summary>
/// Compressed JSON messages, made once: each refers to itself only, which is right with and without context takeover and costs the generator
/// nothing. There are so many different ones that a server's window of 32 KiB never holds the one that comes.
/// </summary>
internal sealed class CompressedMessages
{
    /// <summary>FIN, RSV1, text.</summary>
    public const byte FirstByte = 0xC1;

    /// <summary>What a frame may have more than its message.</summary>
    public const int Slack = 64;

    private const int AllBytes = 128 * 1024;

    private static readonly Lock Gate = new();
    private static CompressedMessages? _last;

    private readonly int _size;
    private readonly byte[][] _frames;

    private CompressedMessages(int size)
    {
        _size = size;
        var random = new Random(size);
        _frames = [.. Enumerable.Range(0, Math.Max(4, AllBytes / size)).Select(_ => Pack(Json(random, size)))];
    }

    public static CompressedMessages For(int size)
    {
        lock (Gate)
        {
            return _last?._size == size ? _last : _last = new CompressedMessages(size);
        }
    }

    public byte[] Frame(int index) => _frames[(uint)index % (uint)_frames.Length];

    /// <summary>The length of an unmasked frame by its head; 0 if that is not whole.</summary>
    public static int FrameLength(ReadOnlySpan<byte> bytes) => bytes switch
    {
        { Length: < 2 } => 0,
        _ when bytes[1] < 126 => 2 + bytes[1],
        _ when bytes[1] == 126 => bytes.Length < 4 ? 0 : 4 + BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]),
        _ => bytes.Length < 10 ? 0 : checked(10 + (int)BinaryPrimitives.ReadUInt64BigEndian(bytes[2..])),
    };

    private static byte[] Json(Random random, int size)
    {
        var text = new StringBuilder("[");
        while (text.Length < size)
        {
            text.Append(CultureInfo.InvariantCulture, $"{{\"id\":{random.Next(100_000)},\"user\":\"user{random.Next(500)}\",\"price\":{random.Next(10_000) / 100.0:F2},\"side\":\"{(random.Next(2) == 0 ? "buy" : "sell")}\",\"time\":{1_700_000_000_000L + random.Next()}}},");
        }

        return Encoding.ASCII.GetBytes(text.ToString(0, size));
    }

    private static byte[] Pack(byte[] message)
    {
        using var output = new MemoryStream();
        using var deflate = new DeflateStream(output, CompressionLevel.Optimal);
        deflate.Write(message);
        deflate.Flush();
        byte[] frame = EchoConversation.Frame(output.ToArray()[..^4], [0x37, 0xFA, 0x21, 0x3D]);
        frame[0] = FirstByte;
        return frame;
    }
}
