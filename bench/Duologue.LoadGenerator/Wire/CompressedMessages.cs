using System.Globalization;
using System.IO.Compression;
using System.Text;

namespace Duologue.LoadGenerator;

/// <summary>
/// Compressed JSON messages, made once: each refers to itself only, which is right with and without context takeover and costs the generator
/// nothing. There are so many different ones that a server's window of 32 KiB never holds the one that comes.
/// </summary>
internal static class CompressedMessages
{
    public const byte First = Frames.Text | Frames.Compressed;

    private const int AllBytes = 128 * 1024;

    public static byte[][] Make(int size)
    {
        var random = new Random(size);
        return [.. Enumerable.Range(0, Math.Max(4, AllBytes / Math.Max(1, size))).Select(_ => Frames.FromClient(First, Pack(Json(random, size))))];
    }

    private static byte[] Json(Random random, int size)
    {
        var text = new StringBuilder("[");
        while (text.Length < size)
        {
            text.Append(CultureInfo.InvariantCulture, $"{{\"id\":{random.Next(100_000)},\"user\":\"user{random.Next(500)}\",\"price\":{random.Next(10_000) / 100.0:F2},\"side\":\"{(random.Next(2) == 0 ? "buy" : "sell")}\",\"time\":{1_700_000_000_000L + random.Next()}}},");
        }

        return Encoding.ASCII.GetBytes(text.ToString(0, size));
    }

    // RFC 7692 §7.2.1: without the four bytes that end each flush.
    private static byte[] Pack(byte[] message)
    {
        using var output = new MemoryStream();
        using var deflate = new DeflateStream(output, CompressionLevel.Optimal);
        deflate.Write(message);
        deflate.Flush();
        return output.ToArray()[..^4];
    }
}
