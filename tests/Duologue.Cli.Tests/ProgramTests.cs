using System.Text.RegularExpressions;
using Duologue.Cli.Tests.Support;
using Duologue.Tests.Shared;

namespace Duologue.Cli.Tests;

public sealed partial class ProgramTests
{
    [Theory]
    [InlineData("serve")]
    [InlineData("connect")]
    [InlineData("listen")]
    [InlineData("compare")]
    public async Task The_docs_list_every_option_and_exit_code_of_the_help(string command)
    {
        (int exitCode, string help, _) = await Tool.RunAsync("", command, "--help");
        Assert.Equal(0, exitCode);
        Assert.Contains("Exit codes:", help, StringComparison.Ordinal);
        string docs = await File.ReadAllTextAsync(Repository.PathOf("docs/cli.md"), TestContext.Current.CancellationToken);
        string section = docs[docs.IndexOf($"## `duologue {command}", StringComparison.Ordinal)..];
        section = section[..section.IndexOf("\n## ", 1, StringComparison.Ordinal)];
        string[] options = [.. OptionPattern().Matches(help).Select(match => match.Groups[1].Value).Where(option => option != "--help").Distinct()];
        Assert.NotEmpty(options);
        foreach (string option in options)
        {
            Assert.Contains($"| `{option}`", section, StringComparison.Ordinal);
        }
    }

    // It repeated the whole text of each command, with the exit codes four times, in lines that broke twice.
    [Fact]
    public async Task The_help_of_the_tool_has_one_line_for_each_command_that_fits_a_terminal()
    {
        (int exitCode, string help, _) = await Tool.RunAsync("", "--help");
        Assert.Equal(0, exitCode);
        string[] lines = help.Split('\n', StringSplitOptions.TrimEntries);
        foreach (string command in new[] { "serve ", "connect ", "listen ", "compare " })
        {
            Assert.InRange(Assert.Single(lines, line => line.StartsWith(command, StringComparison.Ordinal)).Length, command.Length, 77);
        }

        Assert.Single(lines, line => line == "Exit codes:");
    }

    [Fact]
    public async Task What_is_no_command_is_a_usage_error()
    {
        foreach (string[] arguments in new string[][] { [], ["dance"], ["connect"] })
        {
            (int exitCode, _, string error) = await Tool.RunAsync("", arguments);
            Assert.Equal(2, exitCode);
            Assert.Contains("--help", error, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("error: \"servee\" is not a command here. Did you mean serve?", "servee")]
    [InlineData("error: \"dance\" is not a command here.", "dance")]
    [InlineData("error: \"--max-mesage-size\" is not an option here. Did you mean --max-message-size?", "serve", "--max-mesage-size", "3")]
    [InlineData("error: \"--port\" is not an option here.", "serve", "--port", "8080")]
    [InlineData("error: \"8080\" is not an argument here.", "serve", "8080")]
    [InlineData("error: --redis needs a value; --node stands in its place.", "serve", "--redis", "--node", "x")]
    public async Task A_slip_of_the_fingers_is_named_once_with_what_was_meant(string expected, params string[] arguments)
    {
        (int exitCode, _, string error) = await Tool.RunAsync("", arguments);
        Assert.Equal(2, exitCode);
        Assert.Equal(expected, Assert.Single(error.Split('\n'), line => line.StartsWith("error:", StringComparison.Ordinal)).TrimEnd());
    }

    [Theory]
    [InlineData("error: --allow-origin has \"foo\", which is no origin;", "serve", "--allow-origin", "foo")]
    [InlineData("error: --allow-origin has \"foo\", which is no origin;", "listen", "--allow-origin", "foo")]
    [InlineData("error: --protocol: The subprotocol \"a b\" is not a token:", "listen", "--protocol", "a b")]
    [InlineData("error: --clients takes a whole number from 1 to 20000; it was given \"0\".", "compare", "--clients", "0")]
    [InlineData("error: --polling-interval takes a time from 10ms to 55s; it was given \"1ms\".", "connect", "ws://localhost:1", "--transport", "polling", "--polling-interval", "1ms")]
    public async Task What_is_wrong_was_said_without_the_option_or_its_value(string expected, params string[] arguments)
    {
        (int exitCode, _, string error) = await Tool.RunAsync("", arguments);
        Assert.Equal(2, exitCode);
        Assert.StartsWith(expected, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_count_that_is_no_number_ended_the_tool_with_a_dump()
    {
        foreach (string given in new[] { "many", "-1", "99999999999", "1.5" })
        {
            (int exitCode, _, string error) = await Tool.RunAsync("", "serve", "--max-fragments", given);
            Assert.Equal(2, exitCode);
            Assert.Contains($"--max-fragments takes a whole number from 0; it was given \"{given}\"", error, StringComparison.Ordinal);
        }
    }

    // An option stands at the start of its line of the help, perhaps after its short form.
    [GeneratedRegex(@"^  (?:-\S+, )*(--[a-z-]+)", RegexOptions.Multiline)]
    private static partial Regex OptionPattern();
}
