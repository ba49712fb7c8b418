using System.Globalization;
using System.Text;

namespace Duologue.Faults;

/// <summary>A run as Markdown: what stands in docs/reliability.md.</summary>
internal static class ResultTable
{
    private const string Begin = "<!-- begin: written by bench/faults/run --docs -->";
    private const string End = "<!-- end -->";

    public static string Markdown(RunResult results)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            Measured {results.Date} with `bench/faults/run`, plan `{results.Plan}`, {results.Machine}.

            {results.Crowd:N0} well-behaved connections said {results.Said:N0} messages and heard {results.News:N0} news meanwhile: **{results.Lost:N0} lost**, {results.Ended:N0} connections ended.
            Their round trips without an attack: p50 {results.Quiet.P50:F1} ms, p99 {results.Quiet.P99:F1} ms.

            | a peer that … | tries | survived | gets, and is counted as | lost | p99 of the others, to the quiet p99 | repeat: `bench/faults/run --only …` |
            |---|---|---|---|---|---|---|

            """);
        foreach (FaultResult fault in results.Faults)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"| {fault.Does} | {fault.Tries:N0} | {fault.Survived:N0} | {fault.Gets}{Note(fault)} | {fault.Lost:N0} | {fault.Latency.P99:F1} ms, {fault.Latency.P99 / results.Quiet.P99:F1} × | `{fault.Name}` |");
        }

        if (results.Endurance is { } endurance)
        {
            Append(text, endurance);
        }

        return text.ToString();
    }

    /// <summary>Puts the run between the marks of the document.</summary>
    public static void WriteInto(string path, RunResult results)
    {
        string document = File.ReadAllText(path);
        int begin = document.IndexOf(Begin, StringComparison.Ordinal);
        int end = document.IndexOf(End, StringComparison.Ordinal);
        if (begin < 0 || end < begin)
        {
            throw new InvalidOperationException($"{path} has not the marks \"{Begin}\" and \"{End}\", between which the results stand.");
        }

        File.WriteAllText(path, $"{document[..(begin + Begin.Length)]}\n\n{Markdown(results).TrimEnd()}\n\n{document[end..]}");
    }

    public static string Csv(RunResult results)
    {
        var text = new StringBuilder("fault,tries,survived,counted,lost,messages,p50_ms,p99_ms,max_ms,seconds\n");
        foreach (FaultResult fault in results.Faults)
        {
            text.Append(CultureInfo.InvariantCulture, $"{fault.Name},{fault.Tries},{fault.Survived},{fault.IsCounted},{fault.Lost},{fault.Latency.Count},{fault.Latency.P50:F3},{fault.Latency.P99:F3},{fault.Latency.Max:F3},{fault.Seconds:F1}\n");
        }

        return text.ToString();
    }

    /// <summary>Why a fault is not good; empty if it is.</summary>
    public static string Note(FaultResult fault)
    {
        var notes = new List<string>();
        if (!fault.IsCounted)
        {
            notes.Add($"counted {Said(fault.Counted)} instead of {Said(fault.Expected)}");
        }

        notes.AddRange(fault.Surprises.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Value} × {pair.Key}")));
        return notes.Count == 0 ? "" : $" (**{string.Join("; ", notes)}**)";
    }

    private static string Said(Dictionary<string, long> counts) => counts.Count == 0
        ? "nothing"
        : string.Join(" and ", counts.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Value} {pair.Key}")));

    private static void Append(StringBuilder text, EnduranceResult endurance)
    {
        text.Append(CultureInfo.InvariantCulture, $"""

            The server's memory after peers that came, exchanged a message and went (after a forced collection; the crowd stays). After the warm-up of the first quarter
            a connect leaves behind **{endurance.ManagedPerConnect:F1} bytes** of live objects, and {endurance.ResidentPerConnect:F1} bytes of the process; {endurance.Failed:N0} of {endurance.Connects:N0} failed.

            | connects | live objects | the process |
            |---|---|---|

            """);
        foreach (MemoryPoint point in endurance.Points.Where((_, i) => i % 2 == 0))
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"| {point.Connects:N0} | {Mebibytes(point.Memory.Managed)} | {Mebibytes(point.Memory.Resident)} |");
        }
    }

    private static string Mebibytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:F2} MiB");
}
