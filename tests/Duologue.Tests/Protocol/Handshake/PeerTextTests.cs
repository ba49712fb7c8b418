using CsCheck;
using Duologue.Protocol.Handshake;

namespace Duologue.Tests.Protocol.Handshake;

public class PeerTextTests
{
    [Fact]
    public void Plain_text_is_quoted_as_it_is() => Assert.Equal("\"a b\"", PeerText.Quote("a b"));

    [Fact]
    public void Lines_are_joined() => Assert.Equal("\"a, b\"", PeerText.Quote<string[]>(["a", "b"]));

    [Fact]
    public void Whatever_comes_what_is_shown_is_short_and_printable() =>
        Gen.String[0, 300].Sample(text =>
        {
            string shown = PeerText.Quote(text);
            return shown.Length <= 83 && shown.All(c => c is >= ' ' and <= '~' or '…');
        });

    [Theory]
    [InlineData("Zu groß, 太大", "\"Zu groß, 太大\"")]
    [InlineData("a\r\nb\u0085c\u2028d\u202ee", "\"a??b?c?d?e\"")]
    public void Words_stay_in_their_language_and_on_their_line(string words, string shown) => Assert.Equal(shown, PeerText.QuoteWords(words));
}
