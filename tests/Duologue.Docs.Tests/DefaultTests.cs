using System.CommandLine;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Duologue.AspNetCore;
using Duologue.Browser;
using Duologue.Cli.Terminal;
using Duologue.Docs.Tests.Reading;
using Duologue.EventLoop;
using Duologue.Redis;

namespace Duologue.Docs.Tests;

/// <summary>The defaults that the tables of options name are those of the code, and the options are there.</summary>
public sealed partial class DefaultTests
{
    private static readonly object Topics =
        Activator.CreateInstance(typeof(TopicEndpointOptions), BindingFlags.Instance | BindingFlags.NonPublic, null, [new DuologueOptions()], CultureInfo.InvariantCulture)!;

    private static readonly Lazy<Dictionary<string, string>> Summaries = new(ReadSummaries);

    private static readonly object[] OfServers = [new DuologueOptions(), Topics, new TopicHistory()];

    private static readonly object[] OfClients = [new ConnectOptions(), new DuologueClientOptions(), new TopicClientOptions()];

    [Theory]
    [InlineData("docs/server.md")]
    [InlineData("docs/limits.md")]
    [InlineData("docs/sessions.md")]
    [InlineData("docs/client.md")]
    [InlineData("docs/browser-api.md")]
    [InlineData("docs/redis.md")]
    [InlineData("docs/event-loop.md")]
    public void Every_option_has_the_default_that_its_table_names(string file)
    {
        object[] all = file switch
        {
            "docs/server.md" => OfServers,
            "docs/client.md" => OfClients,
            "docs/browser-api.md" => [new WebSocketOptions()],
            "docs/redis.md" => [new RedisBrokerOptions()],
            "docs/event-loop.md" => [new EventLoopOptions()],
            _ => [.. OfServers, .. OfClients],
        };
        var faults = new List<string>();
        int compared = 0;
        foreach (TableRow row in Rows(file).Where(row => row.Below("option") is not null && row.Below("default") is not null))
        {
            string[] options = [.. Option().Matches(row.Below("option")!).Select(match => match.Groups[1].Value)];
            string said = row.Below("default")!;
            string[] each = said.Split(", ");
            for (int at = 0; at < options.Length; at++)
            {
                object?[] values = [.. all.Where(owner => Property(owner, options[at]) is not null).Select(owner => Property(owner, options[at])!.GetValue(owner)).Distinct()];
                if (values.Length == 0)
                {
                    faults.Add($"{row.Place}: there is no option {options[at]}.");
                }

                foreach (string[] names in values.Select(Names).OfType<string[]>())
                {
                    compared++;
                    string told = each.Length == options.Length ? each[at] : said;
                    if (!names.Any(name => StandsAt(told, name)))
                    {
                        faults.Add($"{row.Place}: {options[at]} is {names[0]} by default, not \"{told}\".");
                    }
                }
            }
        }

        Assert.True(compared > 0, "No default was compared.");
        Assert.True(faults.Count == 0, string.Join('\n', faults));
    }

    [Fact]
    public void Every_option_of_a_server_has_a_line_in_its_table()
    {
        string[] told = [.. Rows("docs/server.md").Select(row => row.Below("option")).OfType<string>().SelectMany(cell => Option().Matches(cell).Select(match => match.Groups[1].Value))];

        Assert.Empty(typeof(DuologueOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(option => option.Name).Except(told));
    }

    [Fact]
    public void Every_option_of_the_tool_has_the_default_that_its_table_names()
    {
        var faults = new List<string>();
        int compared = 0;
        foreach (TableRow row in Rows("docs/cli.md").Where(row => row.Below("option") is not null))
        {
            Command command = Cli.Program.Parse([row.Heading.Trim('`').Split(' ')[1]]).CommandResult.Command;
            foreach (string name in Switch().Matches(row.Cells[0]).Select(match => match.Groups[1].Value))
            {
                if (command.Options.SingleOrDefault(option => option.Name == name) is not { } option)
                {
                    faults.Add($"{row.Place}: duologue {command.Name} has no {name}.");
                }
                else if (option.HasDefaultValue && Names(option.GetDefaultValue()) is { } names)
                {
                    compared++;
                    if (!names.Contains(row.Cells[1].Trim('`')))
                    {
                        faults.Add($"{row.Place}: {name} is {names[0]} by default, not \"{row.Cells[1]}\".");
                    }
                }
            }
        }

        Assert.True(compared > 25, $"Only {compared} defaults were compared.");
        Assert.True(faults.Count == 0, string.Join('\n', faults));
    }

    /// <summary>What an editor shows of an option, too.</summary>
    [Fact]
    public void Every_option_has_the_default_that_its_summary_names()
    {
        var faults = new List<string>();
        int compared = 0;
        foreach (object owner in (object[])[.. OfServers, .. OfClients, new WebSocketOptions(), new RedisBrokerOptions(), new EventLoopOptions()])
        {
            foreach (PropertyInfo option in owner.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
            {
                string name = $"{option.DeclaringType!.FullName}.{option.Name}";
                if (Summaries.Value.TryGetValue($"P:{name}", out string? summary) && SaidDefault().Match(summary) is { Success: true } said && Names(option.GetValue(owner)) is { } names)
                {
                    compared++;
                    if (!names.Any(each => StandsAt(said.Groups["said"].Value, each)))
                    {
                        faults.Add($"{name} is {names[0]} by default, not \"{said.Groups["said"].Value}\".");
                    }
                }
            }
        }

        Assert.True(compared > 50, $"Only {compared} defaults were compared.");
        Assert.True(faults.Count == 0, string.Join('\n', faults.Distinct()));
    }

    private static Dictionary<string, string> ReadSummaries() => new[] { typeof(Connection), typeof(DuologueOptions), typeof(RedisBrokerOptions), typeof(EventLoopOptions) }
        .SelectMany(type => XDocument.Load(Path.ChangeExtension(type.Assembly.Location, ".xml")).Descendants("member"))
        .Where(member => member.Element("summary") is not null)
        .ToDictionary(member => member.Attribute("name")!.Value, member => ToText(member.Element("summary")!), StringComparer.Ordinal);

    /// <summary>A reference is the last part of its name.</summary>
    private static string ToText(XElement summary) => Space().Replace(
        string.Concat(summary.Nodes().Select(node => node is XElement { Name.LocalName: "see" } see ? see.Attribute("cref")!.Value.Split('.')[^1] : node is XElement element ? element.Value : node.ToString())),
        " ");

    private static bool StandsAt(string said, string name) => Regex.IsMatch(said, $@"(?<![\w.,]){Regex.Escape(name)}(?![\w]|[.,]\d)");

    private static IReadOnlyList<TableRow> Rows(string file) => Book.Documents.Single(document => document.File == file).Rows;

    private static PropertyInfo? Property(object owner, string name) => owner.GetType().GetProperty(name, BindingFlags.Public | BindingFlags.Instance);

    /// <summary>How the documents may write a value; null for what is told in words.</summary>
    private static string[]? Names(object? value) => value switch
    {
        bool flag => flag ? ["true", "on"] : ["false", "off", "refused"],
        int or long => Numbers(Convert.ToInt64(value, CultureInfo.InvariantCulture)),
        double number => [number.ToString(CultureInfo.InvariantCulture)],
        TimeSpan time when time == Timeout.InfiniteTimeSpan => ["none", "infinite", nameof(Timeout.InfiniteTimeSpan)],
        TimeSpan time => Times(time),
        Duration duration => [duration.ToString()],
        Compression compression when compression == Compression.Off => ["off", "Off"],
        Version version => [version.ToString()],
        FeedWays.All => ["all", "All"],
        Enum member => [member.ToString()],
        string text when !text.StartsWith(Environment.MachineName, StringComparison.Ordinal) => [text],
        _ => null,
    };

    private static string[] Numbers(long value)
    {
        var names = new List<string> { value.ToString("N0", CultureInfo.InvariantCulture), value.ToString(CultureInfo.InvariantCulture) };
        if (value == Environment.ProcessorCount)
        {
            names.Add("one per core");
        }

        if (value == 0)
        {
            names.Add("none");
        }
        else if (value % (1024 * 1024) == 0)
        {
            names.Add($"{value / (1024 * 1024)} MiB");
        }
        else if (value % 1024 == 0)
        {
            names.Add($"{value / 1024} KiB");
        }

        return [.. names];
    }

    private static string[] Times(TimeSpan value)
    {
        (string Unit, double Value)[] units = [("ms", value.TotalMilliseconds), ("s", value.TotalSeconds), ("min", value.TotalMinutes)];
        return [.. units.Where(unit => unit.Value == Math.Floor(unit.Value)).Select(unit => string.Create(CultureInfo.InvariantCulture, $"{unit.Value} {unit.Unit}"))];
    }

    [GeneratedRegex(@"Default:? (?<said>.+?)(?=[.;](\s|$)|$)|(?<said>\w+), the default")]
    private static partial Regex SaidDefault();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();

    [GeneratedRegex(@"`([A-Z]\w+)`")]
    private static partial Regex Option();

    [GeneratedRegex(@"`(--[\w-]+)`")]
    private static partial Regex Switch();
}
