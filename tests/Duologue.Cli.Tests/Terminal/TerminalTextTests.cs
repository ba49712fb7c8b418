using Duologue.Cli.Terminal;

namespace Duologue.Cli.Tests.Terminal;

public sealed class TerminalTextTests
{
    [Fact]
    public void A_peer_cannot_command_the_terminal() =>
        Assert.Equal("␛]0;owned␇ ␛[2J \\u009b31m \\u202eevil", TerminalText.Escape("\x1b]0;owned\a \x1b[2J \u009b31m \u202eevil"));

    [Fact]
    public void Ordinary_text_is_left_alone() => Assert.Equal("ordinary\ttext, Ünïcödé 🙂\nsecond", TerminalText.Escape("ordinary\ttext, Ünïcödé 🙂\nsecond"));

    [Fact]
    public void Markup_of_the_console_is_text_in_a_message() => Assert.Equal("[[red]]not red[[/]]", Report.Safe("[red]not red[/]"));
}
