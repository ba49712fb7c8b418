using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using Duologue.Client;

namespace Duologue.Tests.Client.Topics;

public class EventStreamReaderTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("id: 1\ndata: a\n\nid: 2\ndata: b\n\n", "message 1 a|message 2 b")]
    [InlineData("event: reset\r\nid:1\r\ndata:  x\r\ndata: y\r\n\r\n", "reset 1  x\ny")]
    [InlineData("retry: 5\nid: 7\n\n", "message 7 -")]
    [InlineData(":\n\n: x\n\nfoo: bar\ndata\n\n", "message - ")]
    [InlineData("id: 1\ndata: a\n\nid: 2\ndata: cut", "message 1 a")]
    [InlineData("id: 1\ndata: a\n", "")]
    public async Task Events_are_read_in_whatever_pieces_they_come(string text, string expected)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        for (int size = 1; size <= bytes.Length; size++)
        {
            var pipe = new Pipe();
            Task writing = WriteAsync(pipe.Writer, bytes, size);
            var reader = new EventStreamReader(pipe.Reader.AsStream(), 1_000);
            List<string> events = [];
            while (await reader.ReadAsync(Token) is { } e)
            {
                events.Add(string.Create(CultureInfo.InvariantCulture, $"{e.Type} {e.Id ?? "-"} {(e.Data is null ? "-" : Encoding.UTF8.GetString(e.Data))}"));
            }

            await writing;
            Assert.Equal(expected, string.Join('|', events));
        }
    }

    // WHATWG HTML §9.2.5 and §9.2.6: one leading BOM is none of the stream, a line ends with CR too, and an id with a NUL in it is none.
    [Theory]
    [InlineData("\uFEFFid: 1\ndata: a\n\n", "message 1 a")]
    [InlineData("\uFEFF\uFEFFid: 1\ndata: a\n\n", "message - a")]
    [InlineData("data: a\n\n\uFEFFdata: b\n\ndata: c\n\n", "message - a|message - c")]
    [InlineData("\uFEFF\rdata: a\r\r", "message - a")]
    [InlineData("id: 1\rdata: a\r\rid: 2\rdata: b\rdata: c\r\r", "message 1 a|message 2 b\nc")]
    [InlineData("data: a\r\ndata: b\n\rdata: c\r\r\n", "message - a\nb|message - c")]
    [InlineData("data: a\r\n\r\n\r\n\n\rdata: b\n\n", "message - a|message - b")]
    [InlineData("id: 1\0\ndata: a\n\nid: 2\nid: \0\ndata: b\n\n", "message - a|message 2 b")]
    public async Task A_BOM_a_lone_CR_and_an_id_with_NUL_were_taken_for_what_they_are_not(string text, string expected) => await Events_are_read_in_whatever_pieces_they_come(text, expected);

    [Fact]
    public async Task An_event_that_ended_with_a_lone_CR_would_wait_for_what_comes_next()
    {
        var pipe = new Pipe();
        var reader = new EventStreamReader(pipe.Reader.AsStream(), 1_000);
        await pipe.Writer.WriteAsync("data: a\r\r"u8.ToArray(), Token);
        Assert.Equal<byte[]>([(byte)'a'], (await reader.ReadAsync(Token).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Token))?.Data);
        await pipe.Writer.WriteAsync("\ndata: b\r\n\r"u8.ToArray(), Token);
        Assert.Equal<byte[]>([(byte)'b'], (await reader.ReadAsync(Token).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Token))?.Data);
        await pipe.Writer.CompleteAsync();
        Assert.Null(await reader.ReadAsync(Token));
    }

    [Fact]
    public async Task A_line_without_an_end_is_not_read_for_ever()
    {
        var reader = new EventStreamReader(new MemoryStream(new byte[5_000]), 1_000);
        await Assert.ThrowsAsync<InvalidDataException>(async () => await reader.ReadAsync(Token));
    }

    [Fact]
    public async Task A_long_line_in_small_pieces_was_looked_through_anew_with_each_of_them()
    {
        // With each piece anew that would be some 10^12 bytes; once, it takes a moment.
        const int Length = 2 * 1024 * 1024;
        byte[] bytes = new byte[Length + 8];
        bytes.AsSpan().Fill((byte)'x');
        "data: "u8.CopyTo(bytes);
        bytes[^2] = bytes[^1] = (byte)'\n';
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        int pieces = 0;
        var reader = new EventStreamReader(new DrippingStream(bytes), Length + 8) { Heard = () => pieces++ };
        ServerSentEvent? read = await reader.ReadAsync(patience.Token);

        Assert.Equal(Length, read?.Data?.Length);
        Assert.Equal(bytes.Length, pieces);
        Assert.Null(await reader.ReadAsync(patience.Token));
    }

    [Fact]
    public async Task Lines_of_all_lengths_are_read_whole_wherever_a_piece_ends()
    {
        string[] data = [.. Enumerable.Range(0, 300).Select(i => new string((char)('a' + (i % 26)), i * 67 % 10_000))];
        byte[] bytes = Encoding.UTF8.GetBytes(string.Concat(data.Select(text => $"data: {text}\n\n")));
        foreach (int size in (int[])[1, 7, 4095, 4096, 4097, 100_000])
        {
            var pipe = new Pipe();
            Task writing = WriteAsync(pipe.Writer, bytes, size);
            var reader = new EventStreamReader(pipe.Reader.AsStream(), 20_000);
            List<string> read = [];
            while (await reader.ReadAsync(Token) is { } e)
            {
                read.Add(Encoding.UTF8.GetString(e.Data!));
            }

            await writing;
            Assert.Equal(data, read);
        }
    }

    [Fact]
    public async Task An_event_of_endless_lines_filled_the_memory()
    {
        var reader = new EventStreamReader(new MemoryStream(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("data: 0123456789\n", 500)))), 1_000);
        await Assert.ThrowsAsync<InvalidDataException>(async () => await reader.ReadAsync(Token));
    }

    [Theory]
    [InlineData("id: a-1\ndata: x\n\nid: a-2\ndata: ", "a-2")]
    [InlineData("id: a-1\ndata: x\n\ndata: ", null)]
    public async Task An_event_that_is_too_large_has_said_where_to_go_on_behind_it(string beginning, string? id)
    {
        var reader = new EventStreamReader(new MemoryStream(Encoding.UTF8.GetBytes(beginning + new string('x', 5_000))), 1_000);
        Assert.Equal("a-1", (await reader.ReadAsync(Token))?.Id);
        await Assert.ThrowsAsync<InvalidDataException>(async () => await reader.ReadAsync(Token));
        Assert.Equal(id, reader.Id);
    }

    private static async Task WriteAsync(PipeWriter writer, byte[] bytes, int size)
    {
        for (int i = 0; i < bytes.Length; i += size)
        {
            await writer.WriteAsync(bytes.AsMemory(i, Math.Min(size, bytes.Length - i)), Token);
        }

        await writer.CompleteAsync();
    }

    /// <summary>Gives one byte at a time.</summary>
    private sealed class DrippingStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return base.ReadAsync(buffer[..Math.Min(1, buffer.Length)], cancellationToken);
        }
    }
}
