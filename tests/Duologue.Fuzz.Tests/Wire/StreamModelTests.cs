using Duologue.Fuzz.Wire;

namespace Duologue.Fuzz.Tests.Wire;

/// <summary>The second reading of the RFC must itself tell right from wrong.</summary>
public sealed class StreamModelTests
{
    [Fact]
    public void The_examples_of_the_RFC_are_read()
    {
        // RFC 6455 §5.7.
        Assert.Equal("1:48656C6C6F", Read("810548656c6c6f", toServer: false));
        Assert.Equal("1:48656C6C6F", Read("818537fa213d7f9f4d5158", toServer: true));
        Assert.Equal("1:48656C6C6F", Read("010348656c80026c6f", toServer: false));
        Assert.Equal("9:48656C6C6F", Read("890548656c6c6f", toServer: false));
    }

    [Theory]
    [InlineData("c1", "ReservedBitSet")]
    [InlineData("83", "ReservedOpcode")]
    [InlineData("09", "FragmentedControlFrame")]
    [InlineData("897e", "OversizedControlFrame")]
    [InlineData("80", "UnexpectedContinuation")]
    [InlineData("010081", "ExpectedContinuation")]
    [InlineData("8180", "MaskedFrame")]
    [InlineData("827e007d", "NonMinimalLength")]
    [InlineData("827f000000000000ffff", "NonMinimalLength")]
    [InlineData("827f8000000000000000", "LengthOutOfRange")]
    [InlineData("8105eda0", "InvalidUtf8")]
    [InlineData("8101c3", "InvalidUtf8")]
    [InlineData("880103", "TruncatedCloseCode")]
    [InlineData("880203ed", "InvalidCloseCode")]
    [InlineData("880303e880", "InvalidCloseReason")]
    public void Each_broken_rule_is_seen_at_its_first_byte(string stream, string violation)
    {
        Assert.Equal(violation, Read(stream, toServer: false));
        Assert.NotEqual(violation, Read(stream[..^2], toServer: false));
    }

    private static string Read(string hex, bool toServer) => string.Join(
        ' ',
        StreamModel.Read(Convert.FromHexString(hex), toServer, StreamLimits.None, out _).Select(e => e.Violation ?? $"{e.Opcode}:{Convert.ToHexString(e.Data)}"));
}
