using System.Buffers.Binary;

namespace Duologue.Fuzz.Engine;

/// <summary>Changes inputs as AFL's havoc stage does: several small changes on top of each other, or two inputs spliced.</summary>
internal sealed class Mutator(Random random, FuzzTarget target)
{
    private static readonly byte[] InterestingBytes = [0, 1, 0x7D, 0x7E, 0x7F, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0xC0, 0xFE, 0xFF];

    private static readonly ushort[] InterestingWords = [0, 1, 125, 126, 127, 128, 255, 256, 999, 1000, 1004, 1005, 1016, 2999, 3000, 4999, 5000, 0x7FFF, 0x8000, 0xFFFF];

    /// <param name="input">What to change; it stays as it is.</param>
    /// <param name="other">What to take pieces from.</param>
    public byte[] Mutate(byte[] input, byte[] other)
    {
        var bytes = new List<byte>(input);
        int changes = 1 << random.Next(0, 5);
        for (int i = 0; i < changes; i++)
        {
            Change(bytes, other);
        }

        if (bytes.Count > target.MaxLength)
        {
            bytes.RemoveRange(target.MaxLength, bytes.Count - target.MaxLength);
        }

        return [.. bytes];
    }

    private void Change(List<byte> bytes, byte[] other)
    {
        int kind = random.Next(13);
        if (bytes.Count == 0 && kind < 8)
        {
            kind = 8;
        }

        switch (kind)
        {
            case 0:
                bytes[At(bytes)] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                bytes[At(bytes)] = InterestingBytes[random.Next(InterestingBytes.Length)];
                break;
            case 2:
                bytes[At(bytes)] = (byte)random.Next(256);
                break;
            case 3:
                bytes[At(bytes)] += (byte)random.Next(-16, 17);
                break;
            case 4:
                SetWord(bytes);
                break;
            case 5:
            case 6:
                (int from, int count) = Piece(bytes.Count);
                bytes.RemoveRange(from, count);
                break;
            case 7:
                (from, count) = Piece(bytes.Count);
                bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(from, count));
                break;
            case 8:
                bytes.Insert(random.Next(bytes.Count + 1), (byte)random.Next(256));
                break;
            case 9:
            case 10:
                bytes.InsertRange(random.Next(bytes.Count + 1), target.Dictionary.Count == 0 ? [0] : target.Dictionary[random.Next(target.Dictionary.Count)]);
                break;
            case 11 when other.Length > 0:
                (from, count) = Piece(other.Length);
                bytes.InsertRange(random.Next(bytes.Count + 1), other.AsSpan(from, count).ToArray());
                break;
            case 12 when other.Length > 0:
                // The beginning of one and the end of another.
                int cut = random.Next(bytes.Count + 1);
                bytes.RemoveRange(cut, bytes.Count - cut);
                bytes.AddRange(other.AsSpan(random.Next(other.Length)));
                break;
        }
    }

    private int At(List<byte> bytes) => random.Next(bytes.Count);

    private (int From, int Count) Piece(int length)
    {
        int count = random.Next(1, Math.Min(length, random.Next(4) == 0 ? 64 : 8) + 1);
        return (random.Next(length - count + 1), count);
    }

    private void SetWord(List<byte> bytes)
    {
        Span<byte> word = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(word, InterestingWords[random.Next(InterestingWords.Length)]);
        int at = At(bytes);
        for (int i = 0; i < 2 && at + i < bytes.Count; i++)
        {
            bytes[at + i] = word[i];
        }
    }
}
