using Duologue.Cli.Terminal;
using Spectre.Console;

namespace Duologue.Cli.Compare.Reporting;

/// <summary>The ways side by side, for a terminal.</summary>
internal static class CompareTable
{
    public static Table Create(CompareResult result)
    {
        Settings settings = result.Settings;
        var table = new Table { Border = TableBorder.Simple };
        table.Title($"{Plural.Of(settings.Clients, "client")}, {Figure.Rate(settings.Rate)}");
        table.AddColumn("");
        foreach (Measurement each in result.Ways)
        {
            table.AddColumn(each.Way.Title(), column => column.RightAligned().NoWrap());
        }

        foreach (Findings.Row row in Findings.Rows)
        {
            table.AddRow([row.Name, .. result.Ways.Select(row.Text)]);
        }

        return table;
    }
}
