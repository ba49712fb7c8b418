using CsCheck;
using Duologue.Protocol.Handshake;

namespace Duologue.Tests.Protocol.Handshake;

public class SubprotocolsTests
{
    [Theory]
    [InlineData("chat.v1", null)]
    [InlineData("", "is not a token")]
    [InlineData("a b", "is not a token")]
    [InlineData("a,b", "is not a token")]
    [InlineData("\u00e9", "is not a token")]
    public void A_name_must_be_a_token(string name, string? error)
    {
        string? found = Subprotocols.FindError([name]);
        if (error is null)
        {
            Assert.Null(found);
        }
        else
        {
            Assert.Contains(error, found, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_name_must_not_come_twice_but_may_differ_in_case()
    {
        Assert.Equal("The subprotocol \"a\" is named twice.", Subprotocols.FindError(["a", "b", "a"]));
        Assert.Null(Subprotocols.FindError(["a", "A"]));
    }

    [Fact]
    public void The_server_s_order_of_preference_decides() =>
        Assert.Equal("b", Subprotocols.Choose<string[]>(["c", "b", "a"], ["a, b"]));

    [Fact]
    public void Names_compare_with_case() => Assert.Null(Subprotocols.Choose<string[]>(["Chat"], ["chat, CHAT"]));

    [Fact]
    public void The_choice_is_the_first_of_the_server_s_that_is_offered() =>
        Gen.Select(Gen.Char["abcdefgh"].Array[0, 8], Gen.Char["abcdefgh"].Array[0, 8]).Sample((server, client) =>
        {
            string[] supported = [.. server.Distinct().Select(c => $"{c}")];
            string[] offers = [.. client.Distinct().Select(c => $"{c}")];
            return Subprotocols.Choose(supported, offers) == supported.FirstOrDefault(offers.Contains);
        });

    [Theory]
    [InlineData("a, a", "names \"a\" twice")]
    [InlineData("a, b/c", "has \"b/c\", which is not a token")]
    [InlineData(" ,", "is empty")]
    public void A_malformed_offer_is_named(string line, string error)
    {
        Assert.Equal(error, Subprotocols.FindOfferError<string[]>([line], out bool tooLarge));
        Assert.False(tooLarge);
    }

    [Fact]
    public void An_offer_may_come_in_several_lines() => Assert.Null(Subprotocols.FindOfferError<string[]>(["a", "b, c"], out _));

    [Fact]
    public void An_offer_has_a_limit_of_length_and_one_of_number()
    {
        Assert.NotNull(Subprotocols.FindOfferError<string[]>([new string('a', 8193)], out bool tooLarge));
        Assert.True(tooLarge);
        Assert.Null(Subprotocols.FindOfferError<string[]>([string.Join(',', Enumerable.Range(0, 100))], out _));
        Assert.NotNull(Subprotocols.FindOfferError<string[]>([string.Join(',', Enumerable.Range(0, 101))], out tooLarge));
        Assert.True(tooLarge);
    }
}
