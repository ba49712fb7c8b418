using System.IO.Compression;
using Duologue.Conformance.Cases;
using Duologue.Conformance.Deflate;

namespace Duologue.Conformance.Judge;

/// <summary>A judge that lets all pass would find nothing: here it has peers before it that are wrong in one thing each.</summary>
public class JudgeTests
{
    private static readonly Case Echo = new Case("0.1.1", "", "").Send(Frame.Text("hello"), Frame.Ping("p")).Echo(Frame.Text("hello")).Pong("p"u8.ToArray());
    private static readonly Case Violation = new Case("0.1.2", "", "").Send(Frame.Text("hello"), new Frame(3, [])).Echo(Frame.Text("hello")).Fails(1002);

    private static readonly byte[] Hello = [0x81, 5, .. "hello"u8];
    private static readonly byte[] Pong = [0x8A, 1, (byte)'p'];
    private static readonly byte[] Close = [0x88, 2, 3, 232];
    private static readonly byte[] Close1002 = [0x88, 2, 3, 234];

    [Fact]
    public async Task A_right_answer_passes()
    {
        Assert.Null(await PlayAsync(Echo, EndKind.Clean, Hello, Pong, Close));
        Assert.Null(await PlayAsync(Echo, EndKind.Clean, [0x01, 2, .. "he"u8], Pong, [0x80, 3, .. "llo"u8], Close));
        Assert.Null(await PlayAsync(Violation, EndKind.Clean, Hello, Close1002));
    }

    [Fact]
    public async Task Each_wrong_answer_is_found()
    {
        await Finds("message 1", Echo, EndKind.Clean, [0x81, 5, .. "hellO"u8], Pong, Close);
        await Finds("message 1", Echo, EndKind.Clean, [0x82, 5, .. "hello"u8], Pong, Close);
        await Finds("0 messages", Echo, EndKind.Clean, Pong, Close);
        await Finds("2 messages", Echo, EndKind.Clean, Hello, Hello, Pong, Close);
        await Finds("0 pongs", Echo, EndKind.Clean, Hello, Close);
        await Finds("pong 71", Echo, EndKind.Clean, Hello, [0x8A, 1, (byte)'q'], Close);
        await Finds("no Close", Echo, EndKind.Clean, Hello, Pong);
        await Finds("Close 1002", Echo, EndKind.Clean, Hello, Pong, Close1002);
        await Finds("Close 1000", Violation, EndKind.Clean, Hello, Close);
        await Finds("Close 1005", Violation, EndKind.Clean, Hello, [0x88, 0]);
        await Finds("0 messages", Violation, EndKind.Clean, Close1002);
        await Finds("no clean one", Echo, EndKind.Reset, Hello, Pong, Close);
        await Finds("no clean one", Violation, EndKind.Reset, Hello, Close1002);
        await Finds("no clean one", Echo, EndKind.WithoutNotify, Hello, Pong, Close);
    }

    [Fact]
    public async Task Each_byte_that_no_server_may_send_is_found()
    {
        await Finds("masked frame from a server", Echo, EndKind.Clean, [0x81, 0x85, 0, 0, 0, 0, .. "hello"u8]);
        await Finds("reserved bits", Echo, EndKind.Clean, [0xC1, 5, .. "hello"u8]);
        await Finds("reserved opcode", Echo, EndKind.Clean, [0x83, 0]);
        await Finds("a length of 5 in", Echo, EndKind.Clean, [0x81, 126, 0, 5, .. "hello"u8]);
        await Finds("a length of 5 in", Echo, EndKind.Clean, [0x81, 127, 0, 0, 0, 0, 0, 0, 0, 5, .. "hello"u8]);
        await Finds("fragmented control", Echo, EndKind.Clean, [0x0A, 1, (byte)'p']);
        await Finds("more than 125", Echo, EndKind.Clean, [0x8A, 126, 0, 126]);
        await Finds("continuation without", Echo, EndKind.Clean, [0x80, 0]);
        await Finds("new message inside", Echo, EndKind.Clean, [0x01, 0], [0x81, 0]);
        await Finds("not UTF-8", Echo, EndKind.Clean, [0x81, 2, 0xC3, 0x28]);
        await Finds("body of one byte", Echo, EndKind.Clean, Hello, Pong, [0x88, 1, 3]);
        await Finds("code 1005", Echo, EndKind.Clean, Hello, Pong, [0x88, 2, 3, 237]);
        await Finds("code 1006", Echo, EndKind.Clean, Hello, Pong, [0x88, 2, 3, 238]);
        await Finds("code 1010", Echo, EndKind.Clean, Hello, Pong, [0x88, 2, 3, 242]);
        await Finds("reason that is not", Echo, EndKind.Clean, Hello, Pong, [0x88, 3, 3, 232, 0xFF]);
        await Finds("after the Close", Echo, EndKind.Clean, Hello, Pong, Close, Hello);
        await Finds("no Close", Echo, EndKind.Clean, Hello, Pong, Close[..2]);
    }

    [Fact]
    public async Task A_compressed_message_where_nothing_was_agreed_is_found() =>
        await Finds("reserved bits 4", Echo, EndKind.Clean, [0xC1, 7, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(200_000)]
    public void The_judge_s_deflate_and_inflate_agree_with_zlib(int size)
    {
        byte[] document = DeflateCases.Document(size, 3);
        byte[] compressed = new Deflater(15).Compress(document);
        using var zlib = new DeflateStream(new MemoryStream([.. compressed, 0x00, 0x00, 0xFF, 0xFF, 0x03, 0x00]), CompressionMode.Decompress);
        using var inflated = new MemoryStream();
        zlib.CopyTo(inflated);
        Assert.Equal(document, inflated.ToArray());

        using var output = new MemoryStream();
        using (var deflate = new DeflateStream(output, CompressionLevel.Optimal, leaveOpen: true))
        {
            deflate.Write(document);
            deflate.Flush();
            if (size > 0)
            {
                Assert.Null(new Inflater(15).TryInflate(output.ToArray()[..^4], out byte[]? own));
                Assert.Equal(document, own);
            }
        }

        Assert.Null(new Inflater(15).TryInflate(compressed, out byte[]? both));
        Assert.Equal(document, both);
    }

    [Fact]
    public void A_distance_beyond_the_window_is_found()
    {
        byte[] document = [.. Bytes.Binary(3000), .. Bytes.Binary(3000)];
        byte[] compressed = new Deflater(12).Compress(document);
        Assert.Null(new Inflater(12).TryInflate(compressed, out byte[]? inflated));
        Assert.Equal(document, inflated);
        Assert.Contains("in a window of 2048", new Inflater(11).TryInflate(compressed, out _), StringComparison.Ordinal);
    }

    [Fact]
    public void A_context_that_was_not_to_be_taken_over_is_found()
    {
        var deflater = new Deflater(15);
        var inflater = new Inflater(15);
        byte[] document = DeflateCases.Document(500, 1);
        Assert.Null(inflater.TryInflate(deflater.Compress(document), out _));
        byte[] second = deflater.Compress(document);
        Assert.True(second.Length < 20);
        inflater.Reset();
        Assert.Contains("not to be taken over", inflater.TryInflate(second, out _), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("permessage-deflate; server_max_window_bits=16")]
    [InlineData("permessage-deflate; server_max_window_bits")]
    [InlineData("permessage-deflate; client_max_window_bits")]
    [InlineData("permessage-deflate; server_no_context_takeover; server_no_context_takeover")]
    [InlineData("permessage-deflate; unknown")]
    [InlineData("permessage-deflate, permessage-deflate")]
    [InlineData("x-unknown")]
    public void An_answer_that_no_server_may_give_is_found(string answer) =>
        Assert.NotNull(DeflateTerms.Settle("permessage-deflate; client_max_window_bits", answer, judgesServer: true, out _));

    [Theory]
    [InlineData("permessage-deflate; server_no_context_takeover", "permessage-deflate")]
    [InlineData("permessage-deflate; server_max_window_bits=10", "permessage-deflate")]
    [InlineData("permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=11")]
    [InlineData("permessage-deflate", "permessage-deflate; client_max_window_bits=10")]
    public void An_answer_that_does_not_fit_the_offer_is_found(string offer, string answer) =>
        Assert.NotNull(DeflateTerms.Settle(offer, answer, judgesServer: true, out _));

    private static async Task Finds(string complaint, Case @case, EndKind end, params byte[][] answer) =>
        Assert.Contains(complaint, await PlayAsync(@case, end, answer), StringComparison.Ordinal);

    private static async Task<string?> PlayAsync(Case @case, EndKind end, params byte[][] answer)
    {
        await using var wire = new Scripted([.. answer.SelectMany(bytes => bytes)], end);
        return (await Player.PlayAsync(@case, wire, judgesServer: true, TestContext.Current.CancellationToken)).Complaint;
    }

    /// <summary>A peer that says what it says, whatever it hears.</summary>
    private sealed class Scripted(byte[] answer, EndKind end) : Wire
    {
        private int _at;

        public override bool CanEnd => true;

        public override bool IsStream => false;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            int count = Math.Min(buffer.Length, answer.Length - _at);
            answer.AsMemory(_at, count).CopyTo(buffer);
            _at += count;
            if (count == 0)
            {
                Ending = new Ending(end, end.ToString());
            }

            return new(count);
        }

        public override ValueTask EndAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
