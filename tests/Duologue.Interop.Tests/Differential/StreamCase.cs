using Duologue.Fuzz.Wire;

namespace Duologue.Interop.Tests.Differential;

/// <summary>A stream of bytes for one receiver, cut as it arrives.</summary>
/// <param name="ToServer">Whether the receiver is the server.</param>
/// <param name="Chunks">The bytes; after the last the stream ends.</param>
internal sealed record StreamCase(bool ToServer, IReadOnlyList<byte[]> Chunks)
{
    /// <summary>The largest message that a receiver takes, if it has a limit.</summary>
    public const int MessageLimit = 1 << 20;

    /// <summary>What was agreed about compression; null if nothing was.</summary>
    public Takeover? Compression { get; init; }

    /// <summary>The same conversation without compression: what the model reads. Null if that is what is sent.</summary>
    public byte[]? Twin { get; init; }

    public byte[] Bytes => Twin ?? [.. Chunks.SelectMany(chunk => chunk)];

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

    /// <summary>A stream with compressed messages, cut short between two frames if at all: within one the twin has other bytes.</summary>
    public static StreamCase GenerateCompressed(int seed)
    {
        var random = new Random(seed);
        bool toServer = random.Next(2) == 0;
        Takeover takeover = random.Next(2) == 0 ? Takeover.On : Takeover.Off;
        (List<byte[]> frames, List<byte[]> twin) = CompressedStreams.Generate(random, toServer, takeover == Takeover.On, MessageLimit);
        int count = random.Next(6) == 0 ? random.Next(frames.Count + 1) : frames.Count;
        StreamCase given = Of(toServer, [.. frames.Take(count).SelectMany(frame => frame)], random);
        return given with { Compression = takeover, Twin = [.. twin.Take(count).SelectMany(frame => frame)] };
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

/// <summary>Whether a compressed message may refer to those before it.</summary>
internal enum Takeover
{
    Off,
    On,
}
