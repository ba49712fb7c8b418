using Duologue.Protocol;

namespace Duologue.Tests.Protocol;

public sealed class MessageBufferTests
{
    [Fact]
    public void Holds_nothing_at_rest()
    {
        var buffer = default(MessageBuffer);
        Assert.Equal(0, buffer.Length);
        Assert.True(buffer.Memory.IsEmpty);
        Assert.Null(buffer.Detach());
        buffer.Release();
        Assert.True(buffer.GetSpan(0, 0).IsEmpty);
        Assert.Null(buffer.Detach());
    }

    [Fact]
    public void Keeps_what_was_committed_while_it_grows()
    {
        var buffer = default(MessageBuffer);
        byte[] expected = new byte[500_000];
        new Random(1).NextBytes(expected);
        int at = 0;
        for (int count = 1; at < expected.Length; count = count * 3 / 2 + 1)
        {
            int taken = Math.Min(count, expected.Length - at);
            expected.AsSpan(at, taken).CopyTo(buffer.GetSpan(taken, expected.Length - at));
            buffer.Commit(taken);
            at += taken;
        }

        Assert.True(buffer.Memory.Span.SequenceEqual(expected));
        buffer.Release();
        Assert.Equal(0, buffer.Length);
    }

    [Fact]
    public void Does_not_believe_a_header_that_claims_much()
    {
        var buffer = default(MessageBuffer);
        Assert.InRange(buffer.GetMemory(1L << 40).Length, 1, 128 * 1024);
        Assert.InRange(buffer.GetMemory(long.MaxValue).Length, 1, 128 * 1024);
        buffer.Release();
    }

    [Fact]
    public void Grows_twofold_even_if_the_frame_claims_the_greatest_length()
    {
        var buffer = default(MessageBuffer);
        int calls = 0;
        while (buffer.Length < 1024 * 1024)
        {
            buffer.Commit(buffer.GetMemory(long.MaxValue).Length);
            calls++;
        }

        Assert.InRange(calls, 1, 8);
        buffer.Release();
    }

    [Fact]
    public void Grants_no_more_than_the_frame_has_left()
    {
        var buffer = default(MessageBuffer);
        Assert.Equal(10, buffer.GetMemory(10).Length);
        buffer.Release();
    }

    [Fact]
    public void Gives_its_array_away_once()
    {
        var buffer = default(MessageBuffer);
        buffer.GetSpan(3, 3).Fill(7);
        buffer.Commit(3);
        byte[]? array = buffer.Detach();
        Assert.NotNull(array);
        Assert.Equal([7, 7, 7], array[..3]);
        Assert.Equal(0, buffer.Length);
        Assert.Null(buffer.Detach());
    }

    [Fact]
    public void Keeps_its_array_for_the_next_message_of_a_batch()
    {
        var buffer = default(MessageBuffer);
        buffer.GetSpan(10, 10);
        buffer.Commit(10);
        buffer.Clear();
        Assert.Equal(0, buffer.Length);
        Assert.NotNull(buffer.Detach());
    }
}
