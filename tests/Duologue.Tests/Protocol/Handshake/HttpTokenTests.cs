using CsCheck;
using Duologue.Protocol.Handshake;

namespace Duologue.Tests.Protocol.Handshake;

public class HttpTokenTests
{
    // RFC 2616 §2.2, written out the other way round: any CHAR except controls and separators.
    private static bool IsTokenCharacter(char c) => c is > ' ' and < '\x7f' && !"()<>@,;:\\\"/[]?={}".Contains(c);

    [Fact]
    public void A_character_makes_a_token_exactly_if_it_is_neither_control_nor_separator()
    {
        for (int c = 0; c <= char.MaxValue; c++)
        {
            Assert.Equal(IsTokenCharacter((char)c), HttpToken.IsValid([(char)c]));
        }
    }

    [Fact]
    public void Nothing_is_no_token() => Assert.False(HttpToken.IsValid(""));

    [Fact]
    public void The_prefix_is_all_before_the_first_other_character() =>
        Gen.String.Sample(text => HttpToken.PrefixLength(text) == text.TakeWhile(IsTokenCharacter).Count());
}
