using System.Globalization;
using System.Reflection;
using System.Text;
using Duologue.Comparison;

namespace Duologue.Backplane;

/// <summary>The tables of docs/scale.md, from the measured numbers or from a reader's own.</summary>
internal static class ScaleCommand
{
    private const int Sample = 100_000;

    private static readonly PropertyInfo[] Parameters = typeof(ScaleModel).GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
        .Where(property => property.PropertyType == typeof(double)).ToArray();

    public static int Run(IReadOnlyList<string> arguments, TextWriter output)
    {
        ScaleModel model = new();
        string? results = null;
        string contender = "duologue-loop";
        List<double> connections = [];
        foreach (string argument in arguments)
        {
            string[] parts = argument.Split('=', 2);
            if (argument == "--no-build")
            {
                continue;
            }

            if (parts is ["fit", var path])
            {
                results = path;
            }
            else if (parts is ["contender", var name])
            {
                contender = name;
            }
            else if (parts is [var key, var text] && Parameters.FirstOrDefault(one => one.Name.Equals(key, StringComparison.OrdinalIgnoreCase)) is { } parameter && TryNumber(text, out double value))
            {
                model = model with { };
                parameter.SetValue(model, value);
            }
            else if (TryNumber(argument, out double count))
            {
                connections.Add(count);
            }
            else
            {
                output.WriteLine("usage: bench/backplane/run scale [CONNECTIONS ...] [NAME=VALUE ...] [fit=results.csv] [contender=NAME]");
                output.WriteLine(string.Join('\n', Parameters.Select(one => $"  {one.Name}={Number((double)one.GetValue(model)!)}")));
                return 2;
            }
        }

        if (results is not null)
        {
            model = Fit(model, new ScaleTrial(new ResultFile(results, PairCampaign.Figures).Measurements, contender), output);
        }

        output.WriteLine(Tables(model, connections.Count > 0 ? connections : [100_000, 1_000_000, 10_000_000]));
        return 0;
    }

    internal static string Tables(ScaleModel model, IReadOnlyList<double> connections)
    {
        ScalePlan[] plans = [.. connections.Select(model.Plan)];
        StringBuilder text = new("| |");
        text.AppendJoin("", plans.Select(plan => $" {plan.Connections.ToString("N0", CultureInfo.InvariantCulture)} connections |")).Append("\n|---|");
        text.AppendJoin("", plans.Select(_ => "---|")).Append('\n');
        Row("deliveries a second", plan => Number(plan.Deliveries));
        Row("publishes a second", plan => Number(plan.Publishes));
        Row("nodes, and what their number comes from", plan => $"{plan.Nodes.ToString("N0", CultureInfo.InvariantCulture)} ({plan.Why})");
        Row("of a node's processors: for its clients", plan => Percent(plan.NodeLoad));
        Row("of a node's processors: to hear of all publishes", plan => Percent(plan.HearLoad));
        Row("memory of a node's connections", plan => Number(plan.Memory) + " GiB");
        Row("sent by each node", plan => Number(plan.Sent) + " Gbit/s");
        Row("Redis: processors", plan => Number(plan.RedisCores));
        Row("Redis: sent to the nodes", plan => Number(plan.RedisSent) + " Gbit/s");
        Row("Redis: servers of one core, half full", plan => Number(plan.Shards));
        Row("all come back: all processors of all nodes busy for", plan => Number(plan.JoinSeconds) + " s");

        text.Append("\n| the nodes take in a second | the first wait up to | most attempts in a second | half are back | 99 of 100 | all | attempts per client |\n|---|---|---|---|---|---|---|\n");
        foreach ((double part, double initial) in new[] { (1.0, 0.5), (1.0, 5.0), (0.1, 0.5), (0.1, 5.0), (0.01, 0.5), (0.01, 5.0) })
        {
            ReturnResult result = Return.Simulate(Sample, Sample * part, initial, most: 30, seed: 1);
            text.Append(CultureInfo.InvariantCulture, $"| {part:P0} of them | {initial} s | {result.Peak:P0} of them | {result.Half:N1} s | {result.NearlyAll:N1} s | {result.All:N1} s | {result.Attempts:N1} |\n");
        }

        return text.ToString();

        void Row(string title, Func<ScalePlan, string> cell) => text.Append($"| {title} |").AppendJoin("", plans.Select(plan => $" {cell(plan)} |")).Append('\n');
    }

    private static ScaleModel Fit(ScaleModel model, ScaleTrial trial, TextWriter output)
    {
        ScaleModel fitted = trial.Fit(model);
        output.WriteLine(string.Join(' ', Parameters.Where(one => !one.GetValue(fitted)!.Equals(one.GetValue(model))).Select(one => $"{one.Name}={Number((double)one.GetValue(fitted)!)}")) + "\n");
        trial.Write(fitted, output);
        output.WriteLine();
        return fitted;
    }

    private static bool TryNumber(string text, out double value) => double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out value) && value >= 0;

    private static string Number(double value) => value.ToString(value >= 100 ? "N0" : value >= 10 ? "N1" : "0.##", CultureInfo.InvariantCulture);

    private static string Percent(double value) => value.ToString("0.#\\ %", CultureInfo.InvariantCulture);
}
