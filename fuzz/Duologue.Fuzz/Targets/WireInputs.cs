using Duologue.Fuzz.Wire;

namespace Duologue.Fuzz.Targets;

/// <summary>What the targets that read frames begin with.</summary>
internal static class WireInputs
{
    /// <summary>Pieces of frames, masked by a key of 0 where masked.</summary>
    public static IReadOnlyList<byte[]> Dictionary { get; } =
    [
        .. new Frame[]
        {
            new(Frame.Text, [.. "a€"u8]), new(Frame.Binary, [1, 2, 3]), new(Frame.Ping, []), new(Frame.Pong, [.. "p"u8]), new(Frame.Close, []),
            new(Frame.Close, [0x03, 0xE8]), new(Frame.Close, [0x0F, 0xA0, .. "bye"u8]), new(Frame.Text, [0xE2, 0x82]) { Fin = false },
            new(Frame.Continuation, [0xAC]), new(Frame.Continuation, []) { Fin = false }, new(Frame.Binary, new byte[126]), new(Frame.Binary, [7]) { LengthSize = 8 },
        }.SelectMany(frame => new[] { frame.ToBytes(), (frame with { Key = [0, 0, 0, 0] }).ToBytes() }),
        [0xF4, 0x8F, 0xBF, 0xBF], [0xED, 0xA0, 0x80], [0xFE, 0, 0, 0, 0], [0xFF, 0, 0, 0, 0, 0, 1, 0, 0], [0x7E, 0x00, 0x7E], [0x7F, 0x80, 0, 0, 0, 0, 0, 0, 0],
    ];

    /// <summary>Streams of both directions behind so many bytes of decisions.</summary>
    public static IEnumerable<byte[]> Seeds(int decisions)
    {
        for (int role = 0; role < 2; role++)
        {
            byte[]? key = role == 0 ? [0, 0, 0, 0] : null;
            byte[] before = new byte[decisions];
            before[0] = (byte)role;
            foreach (Frame[] stream in Streams())
            {
                yield return [.. before, .. FrameStreams.ToBytes(stream.Select(frame => frame with { Key = key }))];
            }
        }
    }

    private static IEnumerable<Frame[]> Streams()
    {
        yield return [new Frame(Frame.Text, [.. "hello"u8]), new Frame(Frame.Close, [0x03, 0xE8])];
        yield return [new Frame(Frame.Binary, [1, 2, 3]) { Fin = false }, new Frame(Frame.Ping, [.. "?"u8]), new Frame(Frame.Continuation, [4])];
        yield return [new Frame(Frame.Text, [0xE2, 0x82]) { Fin = false }, new Frame(Frame.Continuation, [0xAC]), new Frame(Frame.Text, [0x80])];
        yield return [new Frame(Frame.Binary, new byte[200]), new Frame(Frame.Text, []), new Frame(Frame.Close, [])];
        yield return [new Frame(Frame.Binary, new byte[70_000]), new Frame(Frame.Pong, new byte[125])];
        yield return [new Frame(Frame.Text, [.. "a"u8]) { Reserved = 4 }, new Frame(Frame.Close, [0x03, 0xE8, .. "after"u8])];
    }
}
