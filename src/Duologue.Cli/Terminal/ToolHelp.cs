using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Duologue.Cli.Terminal;

/// <summary>The help that lists what there is, and behind it the notes of the command and what the exit codes mean.</summary>
/// <param name="help">What writes the list.</param>
internal sealed class ToolHelp(HelpAction help) : SynchronousCommandLineAction
{
    /// <summary>Help for a command line that lacks its argument is help, and no error.</summary>
    public override bool ClearsParseErrors => true;

    /// <summary>Puts it before every command of a tool.</summary>
    public static void AddTo(RootCommand root)
    {
        HelpOption option = root.Options.OfType<HelpOption>().Single();
        option.Action = new ToolHelp((HelpAction)option.Action!);
    }

    public override int Invoke(ParseResult parseResult)
    {
        int result = help.Invoke(parseResult);
        TextWriter output = parseResult.InvocationConfiguration.Output;
        if (parseResult.CommandResult.Command is ToolCommand command)
        {
            WriteSection(output, "Notes:", command.Notes);
        }

        WriteSection(output, "Exit codes:", ExitCode.Help);
        return result;
    }

    private static void WriteSection(TextWriter output, string title, string lines)
    {
        output.WriteLine(title);
        foreach (string line in lines.Split('\n'))
        {
            output.WriteLine($"  {line.TrimEnd('\r')}");
        }

        output.WriteLine();
    }
}
