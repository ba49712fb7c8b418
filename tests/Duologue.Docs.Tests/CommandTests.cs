using System.Text.RegularExpressions;
using Duologue.Docs.Tests.Reading;
using Duologue.Tests.Shared;

namespace Duologue.Docs.Tests;

/// <summary>What the documents tell a reader to type is there: the tool's commands and options, the scripts, the programs, their options.</summary>
public sealed partial class CommandTests
{
    private static readonly string[] SourceFolders = ["src", "tests", "fuzz", "bench", "eng"];

    private static readonly ShellCommand[] Commands = [.. ShellCommand.InBook()];

    [Fact]
    public void Every_command_of_the_tool_is_one()
    {
        (ShellCommand Command, string[] Arguments)[] shown = [.. Commands.Select(command => (command, ArgumentsOfTheTool(command))).Where(pair => pair.Item2 is not null)!];

        Assert.True(shown.Length > 40, $"Only {shown.Length} commands were found.");
        // Where the argument is left out, the text speaks of the command or the option.
        AssertNone(shown.SelectMany(pair => Cli.Program.Parse(pair.Arguments).Errors
            .Where(error => !error.Message.StartsWith("Required argument", StringComparison.Ordinal))
            .Select(error => $"{pair.Command}: {error.Message}")));
    }

    [Fact]
    public void Every_script_and_program_is_there_and_knows_its_options()
    {
        var faults = new List<string>();
        int scripts = 0;
        foreach (ShellCommand command in Commands)
        {
            if (SourcesOf(command) is not { } program)
            {
                continue;
            }

            scripts++;
            string? sources = TextOf(program.Path);
            if (sources is null)
            {
                faults.Add($"{command}: there is no {program.Path}.");
                continue;
            }

            // BenchmarkDotNet's switcher has that one.
            string known = sources.Contains("BenchmarkSwitcher", StringComparison.Ordinal) ? sources + "--filter" : sources;
            faults.AddRange(program.Arguments
                .Where(argument => Option().IsMatch(argument) && !known.Contains(argument.Split('=')[0], StringComparison.Ordinal))
                .Select(option => $"{command}: {program.Path} knows no {option}."));
        }

        Assert.True(scripts > 20, $"Only {scripts} commands were found.");
        AssertNone(faults);
    }

    [Fact]
    public void Every_test_project_that_is_named_is_there() => AssertNone(Commands
        .Where(command => command.Program == "./test" && command.Words.Count > 1 && !command.Words[1].StartsWith('-'))
        .Where(command => !Directory.Exists(Repository.PathOf($"tests/{command.Words[1]}")))
        .Select(command => command.ToString()));

    [Fact]
    public void Every_path_of_the_repository_that_is_named_is_there() => AssertNone(Book.Documents
        .SelectMany(document => document.Code.Select(code => (document.File, code.Line, code.Code)))
        .Where(code => RepositoryPath().IsMatch(code.Code) && !File.Exists(Repository.PathOf(code.Code)) && !Directory.Exists(Repository.PathOf(code.Code)))
        .Select(code => $"{code.File}({code.Line}): there is no {code.Code}."));

    [Fact]
    public void Every_variable_that_is_named_is_read_by_something()
    {
        string sources = string.Concat(SourceFolders.Select(TextOf));
        string[] named = [.. Book.Documents
            .SelectMany(document => document.Code.Select(code => code.Code).Concat(document.Blocks.Select(block => block.Text)))
            .SelectMany(text => Variable().Matches(text).Select(match => match.Value))
            .Distinct()];

        Assert.NotEmpty(named);
        AssertNone(named.Where(name => !sources.Contains($"\"{name}\"", StringComparison.Ordinal) && !sources.Contains($"${{{name}", StringComparison.Ordinal)));
    }

    /// <summary>What the tool is given; null where it is another program.</summary>
    private static string[]? ArgumentsOfTheTool(ShellCommand command)
    {
        string[]? arguments = command.Program switch
        {
            "duologue" => [.. command.Words.Skip(1)],
            "./serve" => ["serve", .. command.Words.Skip(1)],
            "dotnet" when command.Words.Contains("src/Duologue.Cli") && command.Words.Contains("--") => [.. command.Words.SkipWhile(word => word != "--").Skip(1)],
            _ => null,
        };
        // The bare name is the tool's name; an ellipsis stands for more, N for a number, a|b for one of the two.
        return arguments is { Length: > 0 } && !arguments.Contains("…") ? [.. arguments.Select(word => word == "N" ? "1" : word.Split('|')[0])] : null;
    }

    /// <summary>Where the program comes from that a command runs, if it is one of the repository other than the tool.</summary>
    private static (string Path, IEnumerable<string> Arguments)? SourcesOf(ShellCommand command)
    {
        if (command.Program == "dotnet")
        {
            string? project = command.Words.SkipWhile(word => word != "--project").ElementAtOrDefault(1);
            return project is null or "src/Duologue.Cli" ? null : (project, command.Words.SkipWhile(word => word != "--").Skip(1));
        }

        return Script().IsMatch(command.Program) ? (command.Program, command.Words.Skip(1)) : null;
    }

    /// <summary>The text of a file and of the projects that it starts, or of all sources in a folder; null if there is none.</summary>
    private static string? TextOf(string path)
    {
        string full = Repository.PathOf(path);
        if (File.Exists(full))
        {
            string script = File.ReadAllText(full);
            return script + string.Concat(Project().Matches(script).Select(match => match.Value).Where(project => project != path).Distinct().Select(TextOf));
        }

        return Directory.Exists(full)
            ? string.Concat(Directory.EnumerateFiles(full, "*", SearchOption.AllDirectories)
                .Where(file => (Path.GetExtension(file) is ".cs" or ".mjs" or ".js" or "") && !file.Contains("node_modules", StringComparison.Ordinal))
                .Select(File.ReadAllText))
            : null;
    }

    private static void AssertNone(IEnumerable<string> faults)
    {
        string[] all = [.. faults];
        Assert.True(all.Length == 0, string.Join('\n', all));
    }

    // Their names have no ending; in the name of a folder of projects there is a dot.
    [GeneratedRegex(@"^(bench|fuzz|eng|tests)/([\w.-]+/)*[\w-]+$")]
    private static partial Regex Script();

    [GeneratedRegex(@"(bench|fuzz|tests)/Duologue\.\w+(\.Tests)?")]
    private static partial Regex Project();

    [GeneratedRegex("^--[a-z]")]
    private static partial Regex Option();

    // In capitals stands what a reader puts there, but for the names of documents.
    [GeneratedRegex(@"^(src|tests|bench|fuzz|samples|docs|eng)/(?!.*\b[A-Z]{2,}\b(?!\.md))[\w./-]+$")]
    private static partial Regex RepositoryPath();

    [GeneratedRegex("DUOLOGUE_[A-Z_]+")]
    private static partial Regex Variable();
}
