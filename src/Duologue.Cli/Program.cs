using System.CommandLine;
using System.Text;
using Duologue.Cli.Compare;
using Duologue.Cli.Compare.Server;
using Duologue.Cli.Connect;
using Duologue.Cli.Listen;
using Duologue.Cli.Serve;
using Duologue.Cli.Terminal;

namespace Duologue.Cli;

/// <summary>The command line as a whole.</summary>
internal static class Program
{
    public static Task<int> Main(string[] arguments)
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        return RunAsync(arguments, new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            // Each command ends in its own way: a server drains, a client says goodbye.
            ProcessTerminationTimeout = null,
        });
    }

    /// <summary>What a command line says, and what is wrong with it.</summary>
    public static ParseResult Parse(string[] arguments)
    {
        var root = new RootCommand("Full-duplex conversations over WebSocket: a live server and page, a terminal client, a server for scripts, and what each way of waiting for news costs.")
        {
            ServeCommand.Create(),
            ConnectCommand.Create(),
            ListenCommand.Create(),
            CompareCommand.Create(),
            CompareServer.CreateCommand(),
        };
        root.HelpName = "duologue";
        ToolHelp.AddTo(root);
        // An argument that begins with @ is a message or a header, not a file of arguments.
        return root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
    }

    private static async Task<int> RunAsync(string[] arguments, InvocationConfiguration configuration)
    {
        ParseResult result = Parse(arguments);
        if (result.Errors.Count > 0)
        {
            return FailUsage(result, arguments, configuration);
        }

        try
        {
            return await result.InvokeAsync(configuration).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // The last resort: what is not foreseen ends with its name and a code, not with a dump.
            return new Report(configuration.Output, configuration.Error, arguments.Contains("--json")).Fail(ExitCode.Failure, $"{e.GetType().Name}: {e.Message}");
        }
    }

    private static int FailUsage(ParseResult result, string[] arguments, InvocationConfiguration configuration)
    {
        var report = new Report(configuration.Output, configuration.Error, arguments.Contains("--json"));
        string[] errors = [.. TypingErrors.Find(result)];
        foreach (string error in errors.Length > 0 ? errors : result.Errors.Select(static error => error.Message))
        {
            report.Fail(ExitCode.Usage, error);
        }

        string command = result.CommandResult.Command is RootCommand ? "duologue" : $"duologue {result.CommandResult.Command.Name}";
        report.Say($"[grey]{command} --help shows what there is.[/]");
        return ExitCode.Usage;
    }
}
