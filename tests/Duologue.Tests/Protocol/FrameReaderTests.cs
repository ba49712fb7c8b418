using System.Text;
using Duologue.Protocol;

namespace Duologue.Tests.Protocol;

public sealed class FrameReaderTests
{
    /// <summary>Whether the reader is a server's.</summary>
    public static readonly TheoryData<bool> Roles = new(true, false);

    private static Role RoleOf(bool server) => server ? Role.Server : Role.Client;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(125)]
    [InlineData(126)]
    [InlineData(65535)]
    [InlineData(65536)]
    [InlineData(200_000)]
    public void Reads_a_message_in_each_length_form(int length)
    {
        byte[] payload = new byte[length];
        new Random(length).NextBytes(payload);
        foreach (Role role in (Role[])[Role.Server, Role.Client])
        {
            string[] expected = ["start Binary", $"Binary {Convert.ToHexString(payload)}"];
            byte[] bytes = new WireFrame(WireFrame.Binary, payload).For(role).ToBytes();
            Assert.Equal(expected, RecordingReader.All(role, bytes));
            var cut = new RecordingReader(role);
            cut.ReceiveByteByByte(bytes);
            Assert.Equal(expected, cut.Events);
        }
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Joins_fragments_and_hands_over_control_frames_between_them(bool server)
    {
        Role role = RoleOf(server);
        byte[] bytes =
        [
            .. (WireFrame.OfText("a€"u8) with { Fin = false }).For(role).ToBytes(),
            .. new WireFrame(WireFrame.Ping, [1, 2]).For(role).ToBytes(),
            .. new WireFrame(WireFrame.Continuation, []) { Fin = false }.For(role).ToBytes(),
            .. new WireFrame(WireFrame.Pong, []).For(role).ToBytes(),
            .. new WireFrame(WireFrame.Continuation, "b"u8.ToArray()).For(role).ToBytes(),
            .. new WireFrame(WireFrame.Binary, [9]).For(role).ToBytes(),
            .. WireFrame.OfClose(3000, "done").For(role).ToBytes(),
        ];
        Check(
            role,
            bytes,
            "start Text", "Ping 0102", "Pong ", "Text 61E282AC62", "start Binary", "Binary 09", "Close 3000 done");
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Reads_empty_messages_whole_and_in_empty_fragments(bool server)
    {
        Role role = RoleOf(server);
        byte[] bytes =
        [
            .. new WireFrame(WireFrame.Text, []).For(role).ToBytes(),
            .. new WireFrame(WireFrame.Binary, []) { Fin = false }.For(role).ToBytes(),
            .. new WireFrame(WireFrame.Continuation, []).For(role).ToBytes(),
        ];
        Check(role, bytes, "start Text", "Text ", "start Binary", "Binary ");
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_character_may_span_fragments(bool server)
    {
        Role role = RoleOf(server);
        byte[] text = Encoding.UTF8.GetBytes("𝄞");
        byte[] bytes = [];
        for (int i = 0; i < 4; i++)
        {
            var frame = new WireFrame(i == 0 ? WireFrame.Text : WireFrame.Continuation, [text[i]]) { Fin = i == 3 };
            bytes = [.. bytes, .. frame.For(role).ToBytes()];
        }

        Check(role, bytes, "start Text", "Text F09D849E");
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Nothing_after_the_Close_counts(bool server)
    {
        Role role = RoleOf(server);
        byte[] bytes = [.. new WireFrame(WireFrame.Close, []).For(role).ToBytes(), .. WireFrame.OfText("late"u8).For(role).ToBytes(), 0xFF];
        Check(role, bytes, "Close 1005 ");
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_reserved_bit_is_a_violation(bool server)
    {
        Role role = RoleOf(server);
        foreach (int bit in (int[])[1, 2, 4])
        {
            CheckBroken(role, (WireFrame.OfText("x"u8) with { Reserved = bit }).For(role), ProtocolViolation.ReservedBitSet);
            CheckBroken(role, new WireFrame(WireFrame.Ping, []) { Reserved = bit }.For(role), ProtocolViolation.ReservedBitSet);
        }
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_reserved_opcode_is_a_violation(bool server)
    {
        Role role = RoleOf(server);
        foreach (int opcode in (int[])[3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
        {
            CheckBroken(role, new WireFrame(opcode, [1, 2, 3]).For(role), ProtocolViolation.ReservedOpcode);
            CheckBroken(role, new WireFrame(opcode, [1, 2, 3]) { Fin = false }.For(role), ProtocolViolation.ReservedOpcode);
        }
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_length_that_is_not_in_its_shortest_form_is_a_violation(bool server)
    {
        Role role = RoleOf(server);
        CheckBroken(role, new WireFrame(WireFrame.Binary, []) { LengthSize = 2 }.For(role), ProtocolViolation.NonMinimalLength);
        CheckBroken(role, new WireFrame(WireFrame.Binary, new byte[125]) { LengthSize = 2 }.For(role), ProtocolViolation.NonMinimalLength);
        CheckBroken(role, new WireFrame(WireFrame.Binary, new byte[125]) { LengthSize = 8 }.For(role), ProtocolViolation.NonMinimalLength);
        CheckBroken(role, new WireFrame(WireFrame.Binary, new byte[65535]) { LengthSize = 8 }.For(role), ProtocolViolation.NonMinimalLength);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_length_with_its_highest_bit_set_is_a_violation(bool server)
    {
        Role role = RoleOf(server);
        byte[] bytes = new WireFrame(WireFrame.Binary, [1, 2, 3]) { ClaimedLength = 1UL << 63 }.For(role).ToBytes();
        Check(role, bytes, "violation LengthOutOfRange");
    }

    [Fact]
    public void A_server_wants_frames_masked()
    {
        CheckBroken(Role.Server, WireFrame.OfText("x"u8), ProtocolViolation.UnmaskedFrame);
        CheckBroken(Role.Server, new WireFrame(WireFrame.Ping, []), ProtocolViolation.UnmaskedFrame);
    }

    [Fact]
    public void A_client_wants_frames_unmasked()
    {
        CheckBroken(Role.Client, WireFrame.OfText("x"u8).Masked(), ProtocolViolation.MaskedFrame);
        CheckBroken(Role.Client, new WireFrame(WireFrame.Ping, []).Masked(), ProtocolViolation.MaskedFrame);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_fragmented_control_frame_is_a_violation(bool server)
    {
        Role role = RoleOf(server);
        CheckBroken(role, new WireFrame(WireFrame.Ping, []) { Fin = false }.For(role), ProtocolViolation.FragmentedControlFrame);
        CheckBroken(role, new WireFrame(WireFrame.Pong, [1]) { Fin = false }.For(role), ProtocolViolation.FragmentedControlFrame);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_control_frame_of_more_than_125_bytes_is_a_violation(bool server)
    {
        Role role = RoleOf(server);
        CheckBroken(role, new WireFrame(WireFrame.Ping, new byte[126]).For(role), ProtocolViolation.OversizedControlFrame);
        CheckBroken(role, new WireFrame(WireFrame.Pong, new byte[70_000]).For(role), ProtocolViolation.OversizedControlFrame);
        Check(role, new WireFrame(WireFrame.Ping, new byte[125]).For(role).ToBytes(), $"Ping {new string('0', 250)}");
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_continuation_of_nothing_is_a_violation(bool server)
    {
        Role role = RoleOf(server);
        CheckBroken(role, new WireFrame(WireFrame.Continuation, [1]).For(role), ProtocolViolation.UnexpectedContinuation);
        byte[] bytes = [.. WireFrame.OfText("x"u8).For(role).ToBytes(), .. new WireFrame(WireFrame.Continuation, []).For(role).ToBytes()];
        Check(role, bytes, "start Text", "Text 78", "violation UnexpectedContinuation");
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_message_within_a_fragmented_message_is_a_violation(bool server)
    {
        Role role = RoleOf(server);
        byte[] bytes = [.. (WireFrame.OfText("x"u8) with { Fin = false }).For(role).ToBytes(), .. WireFrame.OfText("y"u8).For(role).ToBytes()];
        Check(role, bytes, "start Text", "violation ExpectedContinuation");
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Text_fails_at_its_first_bad_byte_though_the_frame_goes_on(bool server)
    {
        Role role = RoleOf(server);
        byte[] bytes = (new WireFrame(WireFrame.Text, [0x61, 0xE2, 0x82, 0x41, .. new byte[100]]) { Fin = false }).For(role).ToBytes();
        int header = bytes.Length - 104;
        var reader = new RecordingReader(role);
        reader.Receive(bytes.AsSpan(0, header + 3));
        Assert.Equal(["start Text"], reader.Events);
        reader.Receive(bytes.AsSpan(header + 3, 1));
        Assert.Equal(["start Text", "violation InvalidUtf8"], reader.Events);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Text_that_ends_within_a_character_is_a_violation(bool server)
    {
        Role role = RoleOf(server);
        Check(role, new WireFrame(WireFrame.Text, [0xE2, 0x82]).For(role).ToBytes(), "start Text", "violation InvalidUtf8");
        byte[] bytes =
        [
            .. new WireFrame(WireFrame.Text, [0xE2, 0x82]) { Fin = false }.For(role).ToBytes(),
            .. new WireFrame(WireFrame.Continuation, []).For(role).ToBytes(),
        ];
        Check(role, bytes, "start Text", "violation InvalidUtf8");
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_bad_Close_is_a_violation_and_the_end_all_the_same(bool server)
    {
        Role role = RoleOf(server);
        Check(role, new WireFrame(WireFrame.Close, [3]).For(role).ToBytes(), "violation TruncatedCloseCode", "closed after violation");
        Check(role, WireFrame.OfClose(1005, "").For(role).ToBytes(), "violation InvalidCloseCode", "closed after violation");
        Check(
            role,
            new WireFrame(WireFrame.Close, [3, 0xE8, 0xFF]).For(role).ToBytes(),
            "violation InvalidCloseReason", "closed after violation");
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_Close_whose_header_breaks_a_rule_is_the_end_all_the_same(bool server)
    {
        Role role = RoleOf(server);
        WireFrame close = WireFrame.OfClose(1000, "bye").For(role);
        CheckEnd(role, close with { Reserved = 4 }, ProtocolViolation.ReservedBitSet);
        CheckEnd(role, close with { Fin = false }, ProtocolViolation.FragmentedControlFrame);
        CheckEnd(role, new WireFrame(WireFrame.Close, new byte[126]).For(role), ProtocolViolation.OversizedControlFrame);
        CheckEnd(role, new WireFrame(WireFrame.Close, []) { Key = role == Role.Server ? null : [1, 2, 3, 4] }, role == Role.Server
            ? ProtocolViolation.UnmaskedFrame
            : ProtocolViolation.MaskedFrame);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_message_is_too_big_on_the_word_of_its_header(bool server)
    {
        Role role = RoleOf(server);
        byte[] bytes = new WireFrame(WireFrame.Binary, new byte[101]).For(role).ToBytes();
        var reader = new RecordingReader(role) { MessageLimit = 100 };
        reader.Receive(bytes.AsSpan(0, bytes.Length - 101));
        Assert.Equal(["start Binary", "violation MessageTooBig"], reader.Events);
        reader = new RecordingReader(role) { MessageLimit = 101 };
        reader.Receive(bytes);
        Assert.Equal(2, reader.Events.Count);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Fragments_count_together_against_the_message_limit(bool server)
    {
        Role role = RoleOf(server);
        var reader = new RecordingReader(role) { MessageLimit = 10 };
        reader.Receive(new WireFrame(WireFrame.Binary, new byte[6]) { Fin = false }.For(role).ToBytes());
        Assert.Equal(["start Binary"], reader.Events);
        reader.Receive(new WireFrame(WireFrame.Continuation, new byte[5]).For(role).ToBytes());
        Assert.Equal(["start Binary", "violation MessageTooBig"], reader.Events);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_limit_that_comes_into_force_within_a_frame_is_enforced(bool server)
    {
        Role role = RoleOf(server);
        byte[] bytes = new WireFrame(WireFrame.Binary, new byte[100]).For(role).ToBytes();
        var reader = new RecordingReader(role);
        reader.Receive(bytes.AsSpan(0, 20));
        reader.MessageLimit = 50;
        reader.Receive(bytes.AsSpan(20));
        Assert.Equal(["start Binary", "violation MessageTooBig"], reader.Events);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Too_many_fragments_are_a_violation_also_if_they_are_empty(bool server)
    {
        Role role = RoleOf(server);
        byte[] empty = new WireFrame(WireFrame.Continuation, []) { Fin = false }.For(role).ToBytes();
        var reader = new RecordingReader(role, maxFragments: 3);
        reader.Receive(new WireFrame(WireFrame.Text, []) { Fin = false }.For(role).ToBytes());
        reader.Receive(empty);
        reader.Receive(empty);
        Assert.Equal(["start Text"], reader.Events);
        reader.Receive(empty);
        Assert.Equal(["start Text", "violation TooManyFragments"], reader.Events);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void The_handler_may_refuse_a_control_frame_or_a_message(bool server)
    {
        Role role = RoleOf(server);
        byte[] bytes = [.. new WireFrame(WireFrame.Ping, [1]).For(role).ToBytes(), .. new WireFrame(WireFrame.Pong, [2]).For(role).ToBytes()];
        var reader = new RecordingReader(role) { RefusedControl = 1 };
        reader.Receive(bytes);
        Assert.Equal(["Ping 01", "Pong 02", "violation TooManyControlFrames"], reader.Events);
        reader = new RecordingReader(role) { RefusedMessage = 0 };
        reader.Receive(WireFrame.OfText("x"u8).For(role).ToBytes());
        Assert.Equal(["start Text", "violation TooManyMessages"], reader.Events);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Stops_where_the_allowance_ends_and_goes_on_from_there(bool server)
    {
        Role role = RoleOf(server);
        byte[] bytes = [.. new WireFrame(WireFrame.Binary, new byte[100]).For(role).ToBytes(), .. WireFrame.OfText("x"u8).For(role).ToBytes()];
        int header = role == Role.Server ? 6 : 2;
        var reader = new RecordingReader(role) { Allowance = 30 };
        int taken = reader.Receive(bytes);
        Assert.Equal(header + 30, taken);
        Assert.Equal(30, reader.BodyLength);
        Assert.Equal(0, reader.Receive(bytes.AsSpan(taken)));
        reader.Allowance = long.MaxValue;
        Assert.Equal(bytes.Length - taken, reader.Receive(bytes.AsSpan(taken)));
        Assert.Equal(["start Binary", $"Binary {new string('0', 200)}", "start Text", "Text 78"], reader.Events);
    }

    [Theory]
    [InlineData(WireFrame.Text, true, 1, 0)]
    [InlineData(WireFrame.Text, false, 0, 1)]
    [InlineData(WireFrame.Text, false, 63, 1)]
    [InlineData(WireFrame.Text, false, 64, 0)]
    public void Counts_as_small_fragments_the_parts_below_64_bytes_and_no_whole_message(int opcode, bool fin, int length, int small)
    {
        var reader = new RecordingReader(Role.Server);
        reader.Receive(new WireFrame(opcode, new byte[length]) { Fin = fin }.For(Role.Server).ToBytes());
        Assert.Equal(small, reader.SmallFragments);
        if (!fin)
        {
            reader.Receive(new WireFrame(WireFrame.Continuation, []).For(Role.Server).ToBytes());
            Assert.Equal(small + 1, reader.SmallFragments);
        }
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Throws_away_a_message_that_nobody_wants_but_still_judges_its_text(bool server)
    {
        Role role = RoleOf(server);
        var reader = new RecordingReader(role) { Discards = true, MessageLimit = 2 };
        reader.Receive(WireFrame.OfText("long enough"u8).For(role).ToBytes());
        Assert.Equal(["start Text", "Text "], reader.Events);
        reader.Receive(new WireFrame(WireFrame.Text, [0xFF]).For(role).ToBytes());
        Assert.Equal("violation InvalidUtf8", reader.Events[^1]);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void After_a_violation_only_the_Close_is_looked_for(bool server)
    {
        Role role = RoleOf(server);
        byte[] bytes =
        [
            .. new WireFrame(WireFrame.Text, [0xFF, 0x88, 0x80]).For(role).ToBytes(),
            .. new WireFrame(WireFrame.Binary, [.. Enumerable.Repeat((byte)0x88, 70_000)]).For(role).ToBytes(),
            .. new WireFrame(WireFrame.Ping, [1]).For(role).ToBytes(),
            .. new WireFrame(7, []) { Reserved = 7 }.For(role).ToBytes(),
            .. WireFrame.OfClose(1007, "").For(role).ToBytes(),
            .. WireFrame.OfText("late"u8).For(role).ToBytes(),
        ];
        Check(role, bytes, "start Text", "violation InvalidUtf8", "closed after violation");
    }

    private static void CheckEnd(Role role, WireFrame close, ProtocolViolation violation) =>
        Check(role, close.ToBytes(), $"violation {violation}", "closed after violation");

    /// <summary>The frame breaks the rule; what follows it is passed over to the peer's Close.</summary>
    private static void CheckBroken(Role role, WireFrame frame, ProtocolViolation violation)
    {
        Check(role, frame.ToBytes(), $"violation {violation}");
        byte[] bytes = [.. frame.ToBytes(), .. WireFrame.OfText("x"u8).For(role).ToBytes(), .. WireFrame.OfClose(1000, "").For(role).ToBytes()];
        Check(role, bytes, $"violation {violation}", "closed after violation");
    }

    private static void Check(Role role, byte[] bytes, params string[] expected)
    {
        Assert.Equal(expected, RecordingReader.All(role, bytes));
        var cut = new RecordingReader(role);
        cut.ReceiveByteByByte(bytes);
        Assert.Equal(expected, cut.Events);
        for (int at = 1; at < Math.Min(bytes.Length, 40); at++)
        {
            var halves = new RecordingReader(role);
            halves.Receive(bytes.AsSpan(0, at));
            halves.Receive(bytes.AsSpan(at));
            Assert.Equal(expected, halves.Events);
        }
    }
}
