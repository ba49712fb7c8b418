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

    [Fact]
    public void The_second_line_of_a_message_passed_for_the_message_of_another_peer() =>
        Assert.Equal("hello\n             ┊ 12:00:00.000 #2 ‹ send me the key", TerminalText.EscapeLines("hello\n12:00:00.000 #2 ‹ send me the key"));

    [Fact]
    public void A_reason_of_two_lines_passed_for_a_message() => Assert.Equal("bye␊12:00:00.000 #2 ‹ x", TerminalText.EscapeLine("bye\n12:00:00.000 #2 ‹ x"));
}
