using Duologue.Protocol;

namespace Duologue.Tests.Protocol;

public sealed class MaskTests
{
    private const uint Key = 0x3D21FA37;

    [Fact]
    public void Masks_every_length_at_every_phase_and_alignment_like_the_specification()
    {
        byte[] memory = new byte[400];
        byte[] copy = new byte[400];
        for (int length = 0; length <= 300; length++)
        {
            for (int phase = 0; phase < 4; phase++)
            {
                for (int offset = 0; offset < 5; offset++)
                {
                    new Random(length).NextBytes(memory);
                    byte[] expected = Reference(memory.AsSpan(offset, length), phase);
                    byte before = offset > 0 ? memory[offset - 1] : (byte)0;
                    byte after = memory[offset + length];

                    Array.Fill(copy, (byte)0x5A);
                    int next = Mask.Apply(memory.AsSpan(offset, length), copy.AsSpan(7), Key, phase);
                    Assert.Equal((phase + length) % 4, next);
                    Assert.True(copy.AsSpan(7, length).SequenceEqual(expected));
                    Assert.Equal(0x5A, copy[6]);
                    Assert.Equal(0x5A, copy[7 + length]);

                    Assert.Equal(next, Mask.Apply(memory.AsSpan(offset, length), Key, phase));
                    Assert.True(memory.AsSpan(offset, length).SequenceEqual(expected));
                    Assert.Equal(after, memory[offset + length]);
                    Assert.True(offset == 0 || memory[offset - 1] == before);
                }
            }
        }
    }

    [Fact]
    public void Carries_its_phase_from_chunk_to_chunk()
    {
        byte[] data = new byte[1000];
        new Random(1).NextBytes(data);
        byte[] expected = Reference(data, 0);
        for (int chunk = 1; chunk < 80; chunk++)
        {
            byte[] masked = (byte[])data.Clone();
            int phase = 0;
            for (int at = 0; at < masked.Length; at += chunk)
            {
                phase = Mask.Apply(masked.AsSpan(at, Math.Min(chunk, masked.Length - at)), Key, phase);
            }

            Assert.Equal(expected, masked);
        }
    }

    [Fact]
    public void Refuses_a_destination_that_is_too_short() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Mask.Apply(new byte[10], new byte[9], Key, 0));

    [Fact]
    public void Draws_keys_that_do_not_repeat()
    {
        uint[] keys = Enumerable.Range(0, 1000).Select(_ => Mask.NewKey()).ToArray();

        // Among 1,000 of 2^32 a chance pair has odds of 1 in 8,600; three of them cannot be chance.
        Assert.True(keys.Distinct().Count() > 997);
    }

    private static byte[] Reference(ReadOnlySpan<byte> data, int phase)
    {
        byte[] key = [0x37, 0xFA, 0x21, 0x3D];
        byte[] result = new byte[data.Length];
        for (int i = 0; i < data.Length; i++)
        {
            result[i] = (byte)(data[i] ^ key[(i + phase) % 4]);
        }

        return result;
    }
}
