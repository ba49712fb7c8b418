using System.Buffers.Binary;
using System.Text;

namespace Duologue.Fuzz.Wire;

/// <summary>Makes streams of frames: mostly valid conversations, and in some of them a frame or two that break a rule.</summary>
internal static class FrameStreams
{
    private static readonly byte[][] Texts =
    [
        [], [.. "a"u8], [.. "hello"u8], [.. "{\"type\":\"talk\",\"text\":\"hi\"}"u8], [.. "é"u8], [.. "€"u8], [.. "𝄞"u8], [.. "\u0000"u8],
        [.. "κόσμε κόσμε κόσμε"u8], [0xEF, 0xBF, 0xBF], [0xF4, 0x8F, 0xBF, 0xBF], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80],
    ];

    // RFC 3629 §3, §4: stray, cut, overlong, surrogate, too high, never a byte of UTF-8.
    private static readonly byte[][] BadTexts =
    [
        [0x80], [0xC3], [0xC3, 0x28], [0xC0, 0xAF], [0xC1, 0xBF], [0xE0, 0x80, 0xAF], [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xED, 0xA0, 0x80],
        [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0xAF], [0xF0, 0x9D, 0x84], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF],
    ];

    private static readonly int[] Lengths = [0, 1, 2, 3, 5, 16, 100, 124, 125, 126, 127, 128, 300];

    private static readonly int[] CloseCodes =
        [0, 1, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016, 1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535];

    /// <summary>A stream of a few frames.</summary>
    /// <param name="random">Decides everything.</param>
    /// <param name="masked">Whether it goes to a server.</param>
    /// <param name="faults">Whether frames may break rules.</param>
    public static List<Frame> Generate(Random random, bool masked, bool faults)
    {
        var frames = new List<Frame>();
        int messages = random.Next(0, 6);
        for (int i = 0; i < messages; i++)
        {
            switch (random.Next(8))
            {
                case 0:
                    frames.Add(Control(random));
                    break;
                default:
                    AddMessage(frames, random, faults);
                    break;
            }
        }

        if (random.Next(3) != 0)
        {
            frames.Add(CloseFrame(random, faults));
            while (random.Next(4) == 0)
            {
                // Nothing counts any more that comes after a Close.
                frames.Add(random.Next(2) == 0 ? Control(random) : CloseFrame(random, faults));
            }
        }

        if (faults && frames.Count > 0)
        {
            int count = random.Next(0, 3);
            for (int i = 0; i < count; i++)
            {
                Break(frames, random);
            }
        }

        for (int i = 0; i < frames.Count; i++)
        {
            bool wrongWay = faults && random.Next(40) == 0;
            frames[i] = frames[i] with { Key = masked != wrongWay ? Key(random) : null };
        }

        return frames;
    }

    public static byte[] ToBytes(IEnumerable<Frame> frames) => [.. frames.SelectMany(frame => frame.ToBytes())];

    private static byte[] Key(Random random)
    {
        // Keys of 0 leave the payload readable, to a fuzzer's changes as well.
        byte[] key = new byte[4];
        if (random.Next(2) == 0)
        {
            random.NextBytes(key);
        }

        return key;
    }

    private static byte[] Payload(Random random)
    {
        byte[] payload = new byte[random.Next(30) == 0 ? random.Next(60_000, 70_000) : Lengths[random.Next(Lengths.Length)]];
        random.NextBytes(payload);
        return payload;
    }

    private static byte[] TextPayload(Random random, bool faults)
    {
        var text = new List<byte>();
        int pieces = random.Next(0, 5);
        for (int i = 0; i < pieces; i++)
        {
            text.AddRange(faults && random.Next(12) == 0 ? BadTexts[random.Next(BadTexts.Length)] : Texts[random.Next(Texts.Length)]);
        }

        if (random.Next(10) == 0)
        {
            text.AddRange(Encoding.UTF8.GetBytes(new string('x', random.Next(100, 400))));
        }

        return [.. text];
    }

    private static Frame Control(Random random)
    {
        byte[] payload = new byte[random.Next(3) == 0 ? random.Next(0, 126) : random.Next(0, 6)];
        random.NextBytes(payload);
        return new Frame(random.Next(2) == 0 ? Frame.Ping : Frame.Pong, payload);
    }

    private static Frame CloseFrame(Random random, bool faults)
    {
        if (random.Next(4) == 0)
        {
            return new Frame(Frame.Close, faults && random.Next(3) == 0 ? [0x03] : []);
        }

        int code = faults ? CloseCodes[random.Next(CloseCodes.Length)] : 3000 + random.Next(2000);
        byte[] reason = TextPayload(random, faults);
        byte[] body = new byte[2 + Math.Min(reason.Length, 123)];
        BinaryPrimitives.WriteUInt16BigEndian(body, (ushort)code);
        if (reason.Length <= 123)
        {
            reason.CopyTo(body.AsSpan(2));
        }
        else
        {
            body.AsSpan(2).Fill((byte)'r');
        }

        return new Frame(Frame.Close, body);
    }

    /// <summary>A message in one frame or several, control frames between them.</summary>
    private static void AddMessage(List<Frame> frames, Random random, bool faults)
    {
        bool text = random.Next(2) == 0;
        byte[] payload = text ? TextPayload(random, faults) : Payload(random);
        int parts = random.Next(3) == 0 ? random.Next(2, 6) : 1;
        int from = 0;
        for (int i = 0; i < parts; i++)
        {
            // Wherever the cut falls, within a character as well.
            int to = i == parts - 1 ? payload.Length : random.Next(from, payload.Length + 1);
            frames.Add(new Frame(i > 0 ? Frame.Continuation : text ? Frame.Text : Frame.Binary, payload[from..to]) { Fin = i == parts - 1 });
            from = to;
            if (i < parts - 1 && random.Next(3) == 0)
            {
                frames.Add(Control(random));
            }
        }
    }

    private static void Break(List<Frame> frames, Random random)
    {
        int at = random.Next(frames.Count);
        Frame frame = frames[at];
        switch (random.Next(11))
        {
            case 0:
                frames[at] = frame with { Reserved = random.Next(1, 8) };
                break;
            case 1:
                frames[at] = frame with { Opcode = random.Next(2) == 0 ? random.Next(3, 8) : random.Next(11, 16) };
                break;
            case 2:
                frames[at] = frame with { Opcode = random.Next(16) };
                break;
            case 3:
                frames[at] = frame with { Fin = !frame.Fin };
                break;
            case 4:
                frames[at] = frame with { LengthSize = random.Next(2) == 0 ? 2 : 8 };
                break;
            case 5:
                frames.RemoveAt(at);
                if (frames.Count == 0)
                {
                    frames.Add(frame);
                }

                break;
            case 6:
                frames.Insert(at, frame);
                break;
            case 7:
                frames.Insert(at, new Frame(Frame.Continuation, [1]) { Fin = random.Next(2) == 0 });
                break;
            case 8:
                frames[at] = frame with { ClaimedLength = random.Next(2) == 0 ? 0x8000_0000_0000_0000 + (ulong)random.Next() : (ulong)frame.Payload.Length + (ulong)random.Next(1, 20) };
                break;
            case 9:
                // A control frame that is too long.
                frames.Insert(at, new Frame(random.Next(Frame.Close, Frame.Pong + 1), new byte[random.Next(126, 200)]));
                break;
            default:
                frames.Insert(at, new Frame(random.Next(2) == 0 ? Frame.Text : Frame.Binary, [0x41]) { Fin = random.Next(2) == 0 });
                break;
        }
    }
}
