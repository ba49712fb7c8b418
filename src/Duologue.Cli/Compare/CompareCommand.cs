using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Duologue.Cli.Compare.Reporting;
using Duologue.Cli.Compare.Server;
using Duologue.Cli.Serve;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Compare;

/// <summary><c>duologue compare</c>: what each way of getting news from a server costs, measured here and now.</summary>
internal static class CompareCommand
{
    // One address has some 28,000 ports to connect from to one other.
    private const int MostClients = 20_000;
    private const double LeastRate = 0.01;
    private const double MostRate = 1_000;
    private const string StandardOutput = "-";

    private static readonly TimeSpan LeastInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan MostInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LeastDuration = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan MostDuration = TimeSpan.FromMinutes(10);

    public static Command Create()
    {
        Option<int> clients = CliOption.Count("--clients", $"How many clients wait for news, from 1 to {MostClients}.", 1000, 1, MostClients);
        Option<double> rate = new("--rate")
        {
            Description = "How many messages are published a second, from 0.01 to 1000; each client gets all.",
            HelpName = "N",
            DefaultValueFactory = _ => 1,
            CustomParser = result =>
            {
                if (double.TryParse(result.Tokens[0].Value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value) && value is >= LeastRate and <= MostRate)
                {
                    return value;
                }

                result.AddError($"--rate takes a number of messages a second from 0.01 to 1000, such as 0.5; it was given \"{result.Tokens[0].Value}\".");
                return 0;
            },
        };
        Option<Duration> interval = CliOption.FiniteTime("--interval", "How long an AJAX poller waits before it asks again, from 50ms to 1m.", TimeSpan.FromSeconds(2));
        Option<Duration> duration = CliOption.FiniteTime("--duration", "How long messages are published for each way, from 500ms to 10m.", TimeSpan.FromSeconds(30));
        Option<string> report = CliOption.Create<string>("--report", "FILE", "Write a report with charts to this file, as HTML; for it other rates and numbers of clients are measured as well.");
        Option<string> chart = CliOption.Create<string>("--chart", "FILE", "Write the chart of the ways side by side to this file, as SVG.");
        Option<string> json = CliOption.Create<string>("--json", "FILE", "Write all figures to this file, as JSON; - for standard output.");
        Option<string> eventLoop = EventLoopChoice.Create();
        var command = new ToolCommand("compare", "Measure what polling, long polling, SSE and WebSocket cost.", """
            AJAX polling, long polling, server-sent events and WebSocket: one after
            another, with the same messages and as many clients, against one server
            process. It says first how long it takes. Ctrl+C ends it and shows what was
            measured. Times are written 500ms, 20s, 5m.
            """)
        {
            clients, rate, interval, duration, report, chart, json, eventLoop,
        };
        command.SetAction(async (result, cancellationToken) =>
        {
            var outputs = new Outputs(result.GetValue(report), result.GetValue(chart), result.GetValue(json));
            var terminal = new Report(result.InvocationConfiguration.Output, result.InvocationConfiguration.Error, outputs.Json == StandardOutput);
            var plan = new ComparePlan(result.GetValue(clients), result.GetValue(rate), result.GetValue(interval).Value, result.GetValue(duration).Value, outputs.Report is not null, result.GetRequiredValue(eventLoop));
            return (FindError(plan) ?? outputs.FindError()) is { } error
                ? terminal.Fail(ExitCode.Usage, error)
                : await RunAsync(plan, outputs, terminal, cancellationToken).ConfigureAwait(false);
        });
        return command;
    }

    private static string? FindError(ComparePlan plan)
    {
        if (plan.Interval < LeastInterval || plan.Interval > MostInterval)
        {
            return $"--interval is {new Duration(plan.Interval)}; it must be from {new Duration(LeastInterval)} to {new Duration(MostInterval)}.";
        }

        if (plan.Duration < LeastDuration || plan.Duration > MostDuration)
        {
            return $"--duration is {new Duration(plan.Duration)}; it must be from {new Duration(LeastDuration)} to {new Duration(MostDuration)}.";
        }

        if (plan.Rate * plan.Duration.TotalSeconds < 1)
        {
            return string.Create(CultureInfo.InvariantCulture, $"--duration {new Duration(plan.Duration)} is too short for --rate {plan.Rate}: no message would be published; give it at least {Math.Ceiling(1 / plan.Rate)}s.");
        }

        return MachineInfo.FindDescriptorLimit() is { } limit && limit < plan.Descriptors
            ? string.Create(CultureInfo.InvariantCulture, $"--clients {plan.Clients} takes {plan.Descriptors} file descriptors, and this system allows a process {limit}: raise that (ulimit -n {plan.Descriptors}), or take at most --clients {Math.Max(0, limit - (plan.Descriptors - plan.Clients))}.")
            : null;
    }

    private static async Task<int> RunAsync(ComparePlan plan, Outputs outputs, Report terminal, CancellationToken cancellationToken)
    {
        using var stop = new StopSignal(cancellationToken);
        DateTimeOffset began = TimeProvider.System.GetUtcNow();
        terminal.Say($"AJAX polling, long polling, server-sent events, WebSocket: {Plural.Of(plan.Clients, "client")}, {Figure.Rate(plan.Rate)}. [bold]It takes about {Figure.Time(plan.Estimate)}.[/]");
        CompareResult? result = null;
        string? failure = null;
        await CompareProgress.RunAsync(terminal, plan.Estimate, async progress =>
        {
            Comparison? comparison = null;
            try
            {
                await using ServerProcess server = await ServerProcess.StartAsync(plan.EventLoop, stop.Token).ConfigureAwait(false);
                comparison = new Comparison(plan, server, progress);
                await comparison.RunAsync(stop.Token).ConfigureAwait(false);
            }
            catch (Exception) when (stop.Token.IsCancellationRequested)
            {
                // What was measured by then is reported below.
            }
            catch (Exception e) when (e is CompareException or IOException or HttpRequestException or InvalidOperationException or InvalidDataException)
            {
                failure = e.Message;
            }

            result = comparison?.GetResult(began, stop.Token.IsCancellationRequested || failure is not null);
        }).ConfigureAwait(false);
        if (result is not { Ways.Count: > 0 })
        {
            if (failure is not null)
            {
                return terminal.Fail(ExitCode.Failure, failure);
            }

            terminal.Say("[grey]Interrupted before anything was measured.[/]");
            return ExitCode.Success;
        }

        await outputs.WriteAsync(result, terminal).ConfigureAwait(false);
        if (failure is not null)
        {
            return terminal.Fail(ExitCode.Failure, failure);
        }

        return result.Lost + result.Duplicated == 0
            ? ExitCode.Success
            : terminal.Fail(ExitCode.Failure, $"{Findings.TellFaults(result)}: there must be none.");
    }

    /// <summary>Where the result goes.</summary>
    private sealed record Outputs(string? Report, string? Chart, string? Json)
    {
        private IEnumerable<(string Name, string Path)> Files
        {
            get
            {
                foreach ((string name, string? path) in new[] { ("--report", Report), ("--chart", Chart), ("--json", Json) })
                {
                    if (path is not null && path != StandardOutput)
                    {
                        yield return (name, path);
                    }
                }
            }
        }

        // Minutes of measuring are not to end with a folder that is not there.
        public string? FindError()
        {
            foreach ((string name, string path) in Files)
            {
                if (path.Length == 0 || Directory.Exists(path) || !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
                {
                    return $"{name} has \"{path}\", where no file can be written: the folder must be there, and the name must not be a folder's.";
                }
            }

            return null;
        }

        public async Task WriteAsync(CompareResult result, Report terminal)
        {
            if (Json == StandardOutput)
            {
                terminal.WriteLine(JsonSerializer.Serialize(result, CompareJson.Default.CompareResult));
            }
            else
            {
                terminal.Show(CompareTable.Create(result));
                foreach (string sentence in Findings.Tell(result))
                {
                    terminal.Say(Terminal.Report.Safe(sentence));
                }
            }

            foreach ((string name, string path) in Files)
            {
                string text = name switch
                {
                    "--report" => HtmlReport.Render(result),
                    "--chart" => SummaryChart.Render(result, standsAlone: true),
                    _ => JsonSerializer.Serialize(result, CompareJson.Default.CompareResult),
                };
                await File.WriteAllTextAsync(path, text, CancellationToken.None).ConfigureAwait(false);
                terminal.Say($"[grey]Written:[/] {Terminal.Report.Safe(path)}");
            }
        }
    }
}
