using Duologue.Fuzz.Wire;

namespace Duologue.Interop.Tests.Differential;

/// <summary>A stream of bytes for one receiver, cut as it arrives.</summary>
/// <param name="ToServer">Whether the receiver is the server.</param>
/// <param name="Chunks">The bytes; after the last the stream ends.</param>
internal sealed record StreamCase(bool ToServer, IReadOnlyList<byte[]> Chunks)
{
    public byte[] Bytes => [.. Chunks.SelectMany(chunk => chunk)];

    public static StreamCase Generate(int seed)
    {
        var random = new Random(seed);
        bool toServer = random.Next(2) == 0;
        byte[] stream = FrameStreams.ToBytes(FrameStreams.Generate(random, masked: toServer, faults: random.Next(5) != 0));
        if (stream.Length > 0 && random.Next(6) == 0)
        {
            stream[random.Next(stream.Length)] ^= (byte)(1 << random.Next(8));
        }

        if (stream.Length > 0 && random.Next(6) == 0)
        {
            stream = stream[..random.Next(stream.Length)];
        }

        return Of(toServer, stream, random);
    }

    /// <summary>In one piece, or in random ones.</summary>
    private static StreamCase Of(bool toServer, byte[] stream, Random random)
    {
        if (random.Next(3) == 0)
        {
            return new StreamCase(toServer, stream.Length == 0 ? [] : [stream]);
        }

        var chunks = new List<byte[]>();
        for (int at = 0; at < stream.Length;)
        {
            // Long streams in few pieces: their cuts tell nothing new.
            int size = Math.Max(Cuts.SizeOf((byte)random.Next(16)), stream.Length / 40);
            int count = Math.Min(size, stream.Length - at);
            chunks.Add(stream[at..(at + count)]);
            at += count;
        }

        return new StreamCase(toServer, chunks);
    }
}
