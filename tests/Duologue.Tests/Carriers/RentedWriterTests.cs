using System.Buffers;
using Duologue.Carriers;

namespace Duologue.Tests.Carriers;

public sealed class RentedWriterTests
{
    [Fact]
    public void Keeps_what_was_written_while_it_grows()
    {
        var writer = new RentedWriter();
        byte[] expected = new byte[300_000];
        new Random(1).NextBytes(expected);
        for (int at = 0, count = 1; at < expected.Length; at += count, count = Math.Min(count * 2, expected.Length - at))
        {
            if (count == 0)
            {
                break;
            }

            writer.Write(expected.AsSpan(at, count));
        }

        Assert.True(Written(writer).AsSpan().SequenceEqual(expected));
        Assert.True(writer.PieceCount > 1, "A large frame must not need a large array.");
        writer.Release();
    }

    [Fact]
    public void Grants_at_least_what_is_asked_for_and_never_nothing()
    {
        var writer = new RentedWriter();
        Assert.True(writer.GetSpan().Length > 0);
        Assert.True(writer.GetSpan(5000).Length >= 5000);
        Assert.True(writer.GetMemory(100_000).Length >= 100_000);
        Assert.Empty(Written(writer));
        writer.Release();
    }

    [Fact]
    public void Holds_nothing_after_release_and_may_be_used_again()
    {
        var writer = new RentedWriter();
        writer.Release();
        writer.Write<byte>([1, 2, 3]);
        writer.Release();
        Assert.Equal(0, writer.PieceCount);
        writer.Write<byte>([4]);
        Assert.Equal([4], Written(writer));
        writer.Release();
    }

    private static byte[] Written(RentedWriter writer) =>
        [.. Enumerable.Range(0, writer.PieceCount).SelectMany(index => writer.GetPiece(index).ToArray())];
}
