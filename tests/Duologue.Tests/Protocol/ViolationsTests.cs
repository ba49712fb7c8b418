using System.Text;
using Duologue.Protocol;

namespace Duologue.Tests.Protocol;

public sealed class ViolationsTests
{
    private static readonly ConnectionOptions Widest = new()
    {
        MaxMessageSize = int.MaxValue,
        MaxFragments = int.MaxValue,
        MaxControlFramesPerSecond = int.MaxValue,
        MaxMessagesPerSecond = int.MaxValue,
        MaxSmallFragmentsPerSecond = int.MaxValue,
        MessageTimeout = TimeSpan.MaxValue,
    };

    public static TheoryData<ProtocolViolation> All => new(Enum.GetValues<ProtocolViolation>());

    [Theory]
    [MemberData(nameof(All))]
    public void Every_violation_has_a_code_that_may_be_sent_a_cause_and_a_sentence_that_fits(ProtocolViolation violation)
    {
        Assert.True(CloseFrame.MayBeSent(Violations.CloseCode(violation), Role.Server));
        Assert.True(Enum.IsDefined(Violations.Cause(violation)));
        string sentence = Violations.Sentence(violation, Widest);
        Assert.InRange(Encoding.UTF8.GetByteCount(sentence), 10, CloseFrame.MaxReasonSize);
        Assert.EndsWith(".", sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void No_two_violations_share_a_sentence() =>
        Assert.Equal(All.Count, Enum.GetValues<ProtocolViolation>().Select(v => Violations.Sentence(v, Widest)).Distinct().Count());

    [Theory]
    [InlineData(ProtocolViolation.InvalidUtf8, 1007, CloseCause.ProtocolViolation)]
    [InlineData(ProtocolViolation.InvalidCloseReason, 1007, CloseCause.ProtocolViolation)]
    [InlineData(ProtocolViolation.InvalidCloseCode, 1002, CloseCause.ProtocolViolation)]
    [InlineData(ProtocolViolation.ReservedBitSet, 1002, CloseCause.ProtocolViolation)]
    [InlineData(ProtocolViolation.MessageTooBig, 1009, CloseCause.MessageTooBig)]
    [InlineData(ProtocolViolation.TooManyFragments, 1008, CloseCause.LimitExceeded)]
    [InlineData(ProtocolViolation.TooManyControlFrames, 1008, CloseCause.LimitExceeded)]
    [InlineData(ProtocolViolation.TooManyMessages, 1008, CloseCause.LimitExceeded)]
    [InlineData(ProtocolViolation.TooManySmallFragments, 1008, CloseCause.LimitExceeded)]
    [InlineData(ProtocolViolation.MessageTooSlow, 1008, CloseCause.LimitExceeded)]
    public void Limits_text_and_rules_have_their_own_codes(ProtocolViolation violation, int code, CloseCause cause)
    {
        Assert.Equal(code, Violations.CloseCode(violation));
        Assert.Equal(cause, Violations.Cause(violation));
    }

    [Theory]
    [InlineData(ProtocolViolation.MessageTooBig, "77", nameof(ConnectionOptions.MaxMessageSize))]
    [InlineData(ProtocolViolation.TooManyFragments, "78", nameof(ConnectionOptions.MaxFragments))]
    [InlineData(ProtocolViolation.TooManyControlFrames, "79", nameof(ConnectionOptions.MaxControlFramesPerSecond))]
    [InlineData(ProtocolViolation.TooManyMessages, "80", nameof(ConnectionOptions.MaxMessagesPerSecond))]
    [InlineData(ProtocolViolation.TooManySmallFragments, "81", nameof(ConnectionOptions.MaxSmallFragmentsPerSecond))]
    [InlineData(ProtocolViolation.MessageTooSlow, "82.5 s", nameof(ConnectionOptions.MessageTimeout))]
    public void Sentences_about_limits_name_the_limit_and_its_option(ProtocolViolation violation, string limit, string option)
    {
        var options = new ConnectionOptions
        {
            MaxMessageSize = 77,
            MaxFragments = 78,
            MaxControlFramesPerSecond = 79,
            MaxMessagesPerSecond = 80,
            MaxSmallFragmentsPerSecond = 81,
            MessageTimeout = TimeSpan.FromSeconds(82.5),
        };
        string sentence = Violations.Sentence(violation, options);
        Assert.Contains(limit, sentence, StringComparison.Ordinal);
        Assert.Contains(option, sentence, StringComparison.Ordinal);
    }
}
