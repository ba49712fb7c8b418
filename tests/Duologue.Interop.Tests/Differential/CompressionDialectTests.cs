using Duologue.Fuzz.Wire;

namespace Duologue.Interop.Tests.Differential;

/// <summary>Where the others read RFC 7692 otherwise in what has no twin without compression: the last rows of docs/differential.md.</summary>
public sealed class CompressionDialectTests
{
    private const int Compressed = 4; // RSV1

    public static TheoryData<bool> Roles => [true, false];

    [Theory]
    [MemberData(nameof(Roles))]
    public async Task A_message_cut_within_a_block_is_1007_here_and_delivered_with_the_tail_in_it_by_others(bool toServer)
    {
        // RFC 1951 §3.2.4: a stored block of 16 bytes, of which 4 are there; RFC 7692 §7.2.2 puts 00 00 FF FF behind them.
        StreamCase given = Message(toServer, [0x00, 0x10, 0x00, 0xEF, 0xFF, .. "abcd"u8]);
        string[] delivered = [Outcome.Describe(binary: true, [.. "abcd"u8, 0x00, 0x00, 0xFF, 0xFF])];

        await CheckAsync(given, duologue: new Outcome([], 1007, true), system: new Outcome(delivered, null, true), ws: new Outcome(delivered, null, true));
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public async Task Data_that_is_no_DEFLATE_is_1007_and_makes_System_end_without_a_Close(bool toServer)
    {
        // RFC 1951 §3.2.3: no block has the type 11.
        StreamCase given = Message(toServer, [0x07, 0xFF, 0xFF, 0xFF]);

        await CheckAsync(given, duologue: new Outcome([], 1007, true), system: new Outcome([], null, true), ws: new Outcome([], 1007, true));
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public async Task A_message_that_grows_when_compressed_is_measured_inflated_and_by_ws_also_compressed(bool toServer)
    {
        byte[] message = new byte[StreamCase.MessageLimit];
        var stored = new List<byte>(message.Length + 100);
        for (int at = 0; at < message.Length;)
        {
            int count = Math.Min(message.Length - at, 65535);
            stored.AddRange([0x00, (byte)count, (byte)(count >> 8), (byte)~count, (byte)(~count >> 8)]);
            stored.AddRange(message.AsSpan(at, count));
            at += count;
        }

        StreamCase given = Message(toServer, [.. stored, 0x00]);
        string[] delivered = [Outcome.Describe(binary: true, message)];

        await CheckAsync(given, duologue: new Outcome(delivered, null, true), system: new Outcome(delivered, null, true), ws: new Outcome([], 1009, true));
    }

    private static StreamCase Message(bool toServer, byte[] deflate)
    {
        var frame = new Frame(Frame.Binary, deflate) { Reserved = Compressed, Key = toServer ? [1, 2, 3, 4] : null };
        return new StreamCase(toServer, [frame.ToBytes()]) { Compression = Takeover.On };
    }

    private static async Task CheckAsync(StreamCase given, Outcome duologue, Outcome system, Outcome ws)
    {
        await using var node = new NodeReceiver();
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        Check("Duologue", duologue, await DuologueReceiver.PlayAsync(given, cancellationToken));
        Check("System.Net.WebSockets", system, await SystemReceiver.PlayAsync(given, cancellationToken));
        Check("ws", ws, await node.PlayAsync(given, cancellationToken));
    }

    private static void Check(string receiver, Outcome expected, Outcome actual) =>
        Assert.True(expected.Same(actual), $"{receiver}\nexpected: {expected}\nactual:   {actual}");
}
