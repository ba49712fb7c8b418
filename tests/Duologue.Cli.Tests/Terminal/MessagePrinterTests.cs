using System.Text;
using System.Text.RegularExpressions;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Tests.Terminal;

public sealed class MessagePrinterTests
{
    [Theory]
    [InlineData("first\n12:00:00.000 #2 ‹ second\n")]
    [InlineData("first\r\n12:00:00.000 #2 ‹ second")]
    public void A_line_of_a_message_could_pass_for_another_peers(string text) => AssertSetIn(text);

    [Fact]
    public void A_message_that_is_wrapped_could_pass_for_another_peers() => AssertSetIn($"first{new string(' ', 2_000)}12:00:00.000 #2 ‹ second");

    private static void AssertSetIn(string text)
    {
        string[] lines = Print(1, text);
        Assert.Contains("#1 ‹ first", lines[0], StringComparison.Ordinal);
        int indent = lines[0].IndexOf("first", StringComparison.Ordinal);
        Assert.True(lines.Length > 1);
        Assert.All(lines[1..], line => Assert.Equal("", line[..Math.Min(indent, line.Length)].Trim()));
        Assert.Contains("#2 ‹ second", string.Concat(lines[1..]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hello", "hello")]
    [InlineData("[red]not red[/]", "[red]not red[/]")]
    [InlineData("", "")]
    public void A_message_stands_behind_its_time_and_its_peer(string text, string shown)
    {
        Assert.Matches($@"^\d\d:\d\d:\d\d\.\d\d\d #7 ‹ {Regex.Escape(shown)}\s*$", Assert.Single(Print(7, text)));
        Assert.Matches(@"^\d\d:\d\d:\d\d\.\d\d\d ‹ ", Assert.Single(Print(null, text)));
    }

    [Fact]
    public void A_message_of_many_characters_is_shown_whole()
    {
        string text = string.Concat(Enumerable.Range(0, 1000).Select(i => (char)('a' + (i % 26))));
        Assert.Equal(text, string.Concat(Print(1, text).Select(line => line[^Math.Min(line.Length, 1000)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[^1])));
    }

    private static string[] Print(int? id, string text)
    {
        var output = new StringWriter();
        new MessagePrinter(new Report(output, TextWriter.Null, isJson: false, isTerminal: true), TimeProvider.System)
            .Received(id, new Message(MessageType.Text, Encoding.UTF8.GetBytes(text)));

        // Without the colours, which it has or not by where the test runs.
        return Regex.Replace(output.ToString(), "\e\\[[0-9;]*m", "", RegexOptions.None, TimeSpan.FromSeconds(10)).TrimEnd('\r', '\n').Split('\n');
    }
}
