using System.Diagnostics;
using System.Globalization;
using System.Text;
using Duologue.Protocol.Deflate;

namespace Duologue.Benchmarks;

/// <summary>Time and size per message for each level of zlib, on JSON that is new each time: what the level and the threshold were chosen by.</summary>
internal static class CompressionLevels
{
    private const int AllBytes = 4 * 1024 * 1024;
    private const int Tail = 4;

    public static void Run()
    {
        Console.WriteLine("| bytes | level | alone: us | of the size | with a context: us | of the size |");
        Console.WriteLine("|---|---|---|---|---|---|");
        foreach (int size in (int[])[64, 128, 256, 512, 1024, 4096, 16384])
        {
            byte[][] messages = Make(size);
            for (int level = 1; level <= 6; level++)
            {
                (double alone, double aloneShare) = Measure(messages, level, ZLib.FullFlush);
                (double context, double contextShare) = Measure(messages, level, ZLib.SyncFlush);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {size} | {level} | {alone:F1} | {aloneShare:P0} | {context:F1} | {contextShare:P0} |"));
            }
        }
    }

    private static (double Microseconds, double Share) Measure(byte[][] messages, int level, int flush)
    {
        using Deflater deflater = Deflater.TryCreate(Compression.LargestWindow, level)!;
        byte[] output = new byte[(2 * messages[0].Length) + 100];
        double best = double.MaxValue;
        long bytes = 0;
        for (int round = 0; round < 3; round++)
        {
            bytes = 0;
            long start = Stopwatch.GetTimestamp();
            foreach (byte[] message in messages)
            {
                deflater.Deflate(message, output, flush, out _, out int produced);
                bytes += produced - Tail;
            }

            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }

        return (best / messages.Length, (double)bytes / messages.Length / messages[0].Length);
    }

    private static byte[][] Make(int size)
    {
        var random = new Random(size);
        byte[][] messages = new byte[AllBytes / size][];
        for (int i = 0; i < messages.Length; i++)
        {
            var text = new StringBuilder("[");
            while (text.Length < size)
            {
                text.Append(CultureInfo.InvariantCulture, $"{{\"id\":{random.Next(100_000)},\"user\":\"user{random.Next(500)}\",\"price\":{random.Next(10_000) / 100.0:F2},\"side\":\"{(random.Next(2) == 0 ? "buy" : "sell")}\",\"time\":{1_700_000_000_000L + random.Next()}}},");
            }

            messages[i] = Encoding.ASCII.GetBytes(text.ToString(0, size));
        }

        return messages;
    }
}
