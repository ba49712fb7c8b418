using System.Diagnostics;
using System.Globalization;
using Duologue.Cli.Terminal;
using Spectre.Console;

namespace Duologue.Cli.Compare;

/// <summary>Is told what a comparison does.</summary>
internal interface ICompareProgress
{
    /// <summary>A step begins.</summary>
    void Begin(string step);

    /// <summary>A measurement is made.</summary>
    void Measured(Measurement measurement);
}

/// <summary>Shows what a comparison does: at a terminal a bar, and what is left of the time that was announced; elsewhere lines.</summary>
internal static class CompareProgress
{
    /// <summary>Runs something that reports its progress.</summary>
    public static Task RunAsync(Report report, TimeSpan estimate, Func<ICompareProgress, Task> run) =>
        report.ProgressConsole is { } console
            ? console.Progress()
                .AutoClear(true)
                .HideCompleted(false)
                .Columns(new SpinnerColumn(), new ProgressBarColumn(), new TaskDescriptionColumn { Alignment = Justify.Left })
                .StartAsync(context => run(new Bar(context.AddTask("Starting the server", maxValue: estimate.TotalSeconds), report)))
            : run(new Lines(report));

    private static string Summarize(Measurement measured) => string.Create(
        CultureInfo.InvariantCulture,
        $"{measured.Way.Title()}: {Plural.Of(measured.Clients, "client")}, {measured.Rate:0.###}/s: delay {Figure.Milliseconds(measured.Delay.P50)} (p50), {Figure.Milliseconds(measured.Delay.P99)} (p99); {Figure.Count(measured.RequestsPerMessage, "request")}, {Figure.Bytes(measured.BytesPerMessage)}, {Figure.Microseconds(measured.CpuMicrosecondsPerMessage)} of server CPU per message; lost {measured.Lost}, doubled {measured.Duplicated}");

    private sealed class Lines(Report report) : ICompareProgress
    {
        public void Begin(string step) => report.Say($"[grey]{Report.Safe(step)}[/]");

        public void Measured(Measurement measurement) => report.Say(Report.Safe(Summarize(measurement)));
    }

    private sealed class Bar(ProgressTask task, Report report) : ICompareProgress
    {
        private readonly long _start = Stopwatch.GetTimestamp();

        // What is left over is not announced twice: the bar waits just before its end.
        public void Begin(string step)
        {
            task.Value = Math.Min(Stopwatch.GetElapsedTime(_start).TotalSeconds, task.MaxValue * 0.99);
            TimeSpan left = TimeSpan.FromSeconds(task.MaxValue - task.Value);
            task.Description = $"{Report.Safe(step)} [grey](about {Figure.Time(left)} left)[/]";
        }

        public void Measured(Measurement measurement) => report.Say(Report.Safe(Summarize(measurement)));
    }
}
