using System.Buffers.Binary;
using Duologue.AspNetCore;

namespace Duologue.EventLoop.Tests.Stress;

/// <summary>Publishes numbered messages whose bytes follow from their number, so that every subscriber can check them.</summary>
internal sealed class StressNews(Topics topics, int seed)
{
    public const string Topic = "news";
    public const string Path = "/news";

    /// <summary>Number and length stand before the bytes.</summary>
    public const int Head = 8;

    private const int MaxSize = 200_000;

    /// <param name="enough">Ends the news.</param>
    /// <param name="over">Ends the word that there are no more.</param>
    public async Task PublishAsync(CancellationToken enough, CancellationToken over)
    {
        var random = new Random(seed);
        byte[] message = new byte[Head + MaxSize];
        for (int number = 0; !enough.IsCancellationRequested; number++)
        {
            int size = random.Next(20) == 0 ? random.Next(MaxSize) : random.Next(2000);
            BinaryPrimitives.WriteInt32LittleEndian(message, number);
            BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(4), size);
            StressBytes.Of(number, size).CopyTo(message.AsMemory(Head));
            topics.Publish(Topic, message.AsSpan(0, Head + size), MessageType.Binary);
            if (number % 4 == 0)
            {
                await Task.Delay(10, CancellationToken.None);
            }
        }

        // Whoever waits for one more hears that there is none: over and over, for some subscribe only now.
        while (!over.IsCancellationRequested)
        {
            topics.Publish(Topic, [], MessageType.Binary);
            await Task.Delay(50, CancellationToken.None);
        }
    }
}

/// <summary>Bytes that nobody has to keep: a slice of one random array, by a number.</summary>
internal static class StressBytes
{
    private static readonly byte[] Source = Create();

    public static ReadOnlyMemory<byte> Of(int number, int size) => Source.AsMemory((int)((uint)(number * 7919) % (Source.Length - StressPeer.MaxSize)), size);

    private static byte[] Create()
    {
        byte[] bytes = new byte[StressPeer.MaxSize + 1_000_003];
        new Random(1).NextBytes(bytes);
        return bytes;
    }
}
