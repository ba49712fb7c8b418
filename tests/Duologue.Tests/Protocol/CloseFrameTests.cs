using System.Text;
using Duologue.Protocol;

namespace Duologue.Tests.Protocol;

public sealed class CloseFrameTests
{
    [Fact]
    public void Every_code_may_be_sent_and_received_as_the_specification_and_the_registry_say()
    {
        for (int code = 0; code <= ushort.MaxValue; code++)
        {
            // RFC 6455 §7.4.1 and the IANA registry, one by one.
            bool named = code is 1000 or 1001 or 1002 or 1003 or 1007 or 1008 or 1009 or 1010 or 1011 or 1012 or 1013 or 1014;
            bool free = code is >= 3000 and < 5000;
            Assert.Equal(named || free, CloseFrame.MayBeReceived((ushort)code));
            Assert.Equal(named || free, CloseFrame.MayBeSent((ushort)code, Role.Client));
            Assert.Equal((named || free) && code != 1010, CloseFrame.MayBeSent((ushort)code, Role.Server));
        }
    }

    [Fact]
    public void What_an_application_closes_with_is_refused_by_name_and_rule()
    {
        CloseFrame.ThrowIfUnsendable(1010, new string('x', CloseFrame.MaxReasonSize), Role.Client);
        var code = Assert.Throws<ArgumentOutOfRangeException>("code", () => CloseFrame.ThrowIfUnsendable(1010, "", Role.Server));
        Assert.Contains("1011 to 1014 and 3000 to 4999", code.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>("reason", () => CloseFrame.ThrowIfUnsendable(1000, null!, Role.Client));
        var reason = Assert.Throws<ArgumentException>("reason", () => CloseFrame.ThrowIfUnsendable(1000, new string('é', 62), Role.Client));
        Assert.Contains("124 UTF-8 bytes", reason.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_code_is_read_or_refused()
    {
        for (int code = 0; code <= ushort.MaxValue; code++)
        {
            ProtocolViolation? violation = CloseFrame.Read([(byte)(code >> 8), (byte)code], out ushort read, out string reason);
            if (CloseFrame.MayBeReceived((ushort)code))
            {
                Assert.Null(violation);
                Assert.Equal(code, read);
            }
            else
            {
                Assert.Equal(ProtocolViolation.InvalidCloseCode, violation);
            }

            Assert.Equal("", reason);
        }
    }

    [Fact]
    public void An_empty_body_is_read_as_1005()
    {
        Assert.Null(CloseFrame.Read([], out ushort code, out string reason));
        Assert.Equal(1005, code);
        Assert.Equal("", reason);
    }

    [Fact]
    public void A_body_of_one_byte_is_truncated() =>
        Assert.Equal(ProtocolViolation.TruncatedCloseCode, CloseFrame.Read([3], out _, out _));

    [Fact]
    public void A_reason_that_is_not_utf8_is_refused() =>
        Assert.Equal(ProtocolViolation.InvalidCloseReason, CloseFrame.Read([3, 0xE8, 0xC3, 0x28], out _, out _));

    [Fact]
    public void A_reason_that_ends_within_a_character_is_refused() =>
        Assert.Equal(ProtocolViolation.InvalidCloseReason, CloseFrame.Read([3, 0xE8, 0x41, 0xC3], out _, out _));

    [Fact]
    public void Writes_the_longest_reason_and_reads_it_back()
    {
        string reason = new string('x', 120) + "€";
        Assert.Equal(CloseFrame.MaxReasonSize, Encoding.UTF8.GetByteCount(reason));
        byte[] body = new byte[FrameHeader.MaxControlPayload];
        int size = CloseFrame.Write(body, 4000, reason);
        Assert.Equal(125, size);
        Assert.Null(CloseFrame.Read(body, out ushort code, out string read));
        Assert.Equal(4000, code);
        Assert.Equal(reason, read);
    }

    [Fact]
    public void Writes_nothing_for_1005() => Assert.Equal(0, CloseFrame.Write(new byte[125], 1005, "not told"));
}
