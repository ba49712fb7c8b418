using System.CommandLine;
using System.Net;
using Duologue.Cli.Terminal;
using Duologue.Client;

namespace Duologue.Cli.Connect;

/// <summary><c>duologue connect URL</c>: a conversation from the terminal or a pipe.</summary>
internal static class ConnectCommand
{
    public static Command Create()
    {
        var options = new ConnectOptionsSet();
        var command = new ToolCommand("connect", "Talk with a WebSocket server, from the terminal or a pipe.", """
            At a terminal each line typed is a message; what comes is shown with its time.
            In a pipe each line of standard input is a message, and messages go to
            standard output as they are:
              echo hi | duologue connect ws://localhost:8080/echo --once
            Ctrl+C or Ctrl+D closes and ends.
            Times are written 500ms, 20s, 5m; sizes 65536, 64KiB, 8MiB.
            """)
        {
            options.Url,
        };
        foreach (Option option in options.All)
        {
            command.Add(option);
        }

        command.SetAction((result, cancellationToken) => RunAsync(options, result, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ConnectOptionsSet options, ParseResult command, CancellationToken cancellationToken)
    {
        var report = new Report(command.InvocationConfiguration.Output, command.InvocationConfiguration.Error, command.GetValue(options.Json));
        bool explain = command.GetValue(options.Explain);
        bool verbose = explain || command.GetValue(options.Verbose);
        var printer = new HandshakePrinter(report, explain);
        if (!options.TryGetUrl(command, out Uri? url, out string? error)
            || !options.TryGetOptions(command, verbose ? printer.Print : null, out ConnectOptions? connectOptions, out error))
        {
            return report.Fail(ExitCode.Usage, error);
        }

        using var stop = new StopSignal(cancellationToken);
        try
        {
            await using Connection connection = await Connection.ConnectAsync(url, connectOptions, stop.Token).ConfigureAwait(false);
            if (verbose)
            {
                printer.PrintTransport(connection.Transport);
            }

            var plan = new ConnectPlan(
                command.GetValue(options.Binary),
                command.GetValue(options.Once),
                options.GetWait(command),
                command.GetResult(options.Ping) is null ? null : command.GetValue(options.Ping)?.Value);
            return await new ConnectRun(connection, url, plan, report, TimeProvider.System).RunAsync(stop.Token).ConfigureAwait(false);
        }
        catch (HandshakeException e)
        {
            return e.StatusCode is { } status ? Refused(report, url, status, e) : Unreachable(report, e);
        }
        catch (ArgumentException e)
        {
            // The library names the option and what is wrong with it; its parameters are nobody's here.
            return report.Fail(ExitCode.Usage, e.Message.Replace($" (Parameter '{e.ParamName}')", "", StringComparison.Ordinal));
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            report.Say("[grey]Stopped before the connection was open.[/]");
            return ExitCode.CannotConnect;
        }
    }

    private static int Unreachable(Report report, HandshakeException e)
    {
        int exitCode = report.Fail(ExitCode.CannotConnect, e.Message);
        if (e.Failure == ConnectFailure.Tls)
        {
            // The library speaks of its own options; this is what that one is called here.
            report.Say("[grey]--insecure accepts any certificate; for development only.[/]");
        }

        return exitCode;
    }

    private static int Refused(Report report, Uri url, HttpStatusCode status, HandshakeException e)
    {
        int exitCode = report.Fail(ExitCode.Refused, e.Message);
        string body = e.Body.Trim();
        if (body.Length > 0 && !e.Message.Contains(body, StringComparison.Ordinal))
        {
            report.Say($"[grey]{Report.Safe($"{(int)status} from {url.Authority}: {body}")}[/]");
        }

        return exitCode;
    }
}
