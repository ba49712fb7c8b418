using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Duologue.Conformance.Carriers;
using Duologue.Conformance.Cases;

namespace Duologue.Conformance;

/// <summary>How one case went with one judged peer over one carrier.</summary>
/// <param name="Id">The number of the line.</param>
/// <param name="Section">The section it comes from.</param>
/// <param name="Title">What is sent.</param>
/// <param name="Carrier">Over what.</param>
/// <param name="Subject">Who was judged.</param>
/// <param name="Complaint">Null if all was well.</param>
/// <param name="NotApplicable">Why the case could not be played there; null if it was.</param>
internal sealed record Outcome(string Id, string Section, string Title, Carrier Carrier, string Subject, string? Complaint, string? NotApplicable)
{
    public static Outcome Of(Case @case, Carrier carrier, string subject, string? complaint) =>
        new(@case.Id, @case.Section, @case.Title, carrier, subject, complaint, null);

    public string Word => NotApplicable is not null ? "n/a" : Complaint is null ? "ok" : "FAILED";
}

/// <summary>Collects the outcomes of a run and writes them, at its end, as a table to artifacts/conformance.</summary>
public sealed class Report : IAsyncDisposable
{
    private static readonly ConcurrentBag<Outcome> Outcomes = [];

    internal static void Add(Outcome outcome) => Outcomes.Add(outcome);

    public async ValueTask DisposeAsync()
    {
        Directory.CreateDirectory(Settings.ReportFolder);
        string name = Settings.Strict ? "strict" : "quick";
        await File.WriteAllTextAsync(Path.Combine(Settings.ReportFolder, $"{name}.md"), Render(name));
    }

    private static string Render(string name)
    {
        Outcome[] all = [.. Outcomes.OrderBy(outcome => outcome.Id, IdOrder.Instance).ThenBy(outcome => outcome.Carrier).ThenBy(outcome => outcome.Subject, StringComparer.Ordinal)];
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# Conformance, the {name} run\n\n");
        text.Append(CultureInfo.InvariantCulture, $"{all.Select(outcome => outcome.Id).Distinct().Count()} cases, played {all.Count(outcome => outcome.NotApplicable is null)} times: ");
        text.Append(CultureInfo.InvariantCulture, $"{all.Count(outcome => outcome.Word == "ok")} ok, {all.Count(outcome => outcome.Word == "FAILED")} failed.\n\n");
        text.Append("## Families\n\n| family | carrier | judged | cases | ok | failed | not applicable |\n|---|---|---|---|---|---|---|\n");
        foreach (var group in all.GroupBy(outcome => (Family: outcome.Id.Split('.')[0], outcome.Carrier, outcome.Subject)))
        {
            text.Append(CultureInfo.InvariantCulture, $"| {group.Key.Family} {Families.Name(group.Key.Family)} | {group.Key.Carrier.Name()} | {group.Key.Subject} | {group.Count()} | {group.Count(o => o.Word == "ok")} | {group.Count(o => o.Word == "FAILED")} | {group.Count(o => o.Word == "n/a")} |\n");
        }

        text.Append("\n## Cases\n\n| case | section | what is sent | carrier | judged | result |\n|---|---|---|---|---|---|\n");
        foreach (Outcome outcome in all)
        {
            string detail = outcome.Complaint ?? outcome.NotApplicable ?? "";
            text.Append(CultureInfo.InvariantCulture, $"| {outcome.Id} | {outcome.Section} | {Cell(outcome.Title)} | {outcome.Carrier.Name()} | {outcome.Subject} | {outcome.Word}{(detail.Length == 0 ? "" : ": " + Cell(detail))} |\n");
        }

        return text.ToString();
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal).Replace("\r", "\\r", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    /// <summary>1.2.10 comes after 1.2.9.</summary>
    private sealed class IdOrder : IComparer<string>
    {
        public static readonly IdOrder Instance = new();

        public int Compare(string? x, string? y)
        {
            int[] left = Numbers(x!), right = Numbers(y!);
            for (int i = 0; i < Math.Min(left.Length, right.Length); i++)
            {
                if (left[i] != right[i])
                {
                    return left[i].CompareTo(right[i]);
                }
            }

            return left.Length.CompareTo(right.Length);
        }

        private static int[] Numbers(string id) => [.. id.Split('.').Select(part => int.Parse(part, CultureInfo.InvariantCulture))];
    }
}
