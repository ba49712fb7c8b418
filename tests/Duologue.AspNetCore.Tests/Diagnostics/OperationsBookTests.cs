using System.Diagnostics.Metrics;
using System.Reflection;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Client;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore.Tests.Diagnostics;

/// <summary>docs/operations.md against the code: what the one has, the other has.</summary>
public class OperationsBookTests
{
    private static readonly string[] Lines = File.ReadAllLines(Repository.PathOf("docs/operations.md"));

    [Fact]
    public void Every_close_cause_stands_in_the_book() => AssertEnum<CloseCause>("Close causes", TelemetryNames.Of);

    [Fact]
    public void Every_protocol_violation_stands_in_the_book() => AssertEnum<ProtocolViolation>("Protocol violations", TelemetryNames.Of);

    [Fact]
    public void Every_drop_reason_stands_in_the_book() => AssertEnum<DropReason>("Dropped messages", TelemetryNames.Of);

    [Fact]
    public void Every_fate_of_a_message_stands_in_the_book() => AssertEnum<MessageFate>("Lost messages of a client that comes back", TelemetryNames.Of);

    [Fact]
    public void Every_refusal_stands_in_the_book() => AssertEnum<RefusalReason>("Refused handshakes", RefusalReasons.Name);

    [Fact]
    public void Every_refusal_of_the_feed_stands_in_the_book() => AssertEnum<FeedRefusalReason>("Refused requests of the feed", FeedRefusalReasons.Name);

    [Fact]
    public void Every_failure_to_connect_stands_in_the_book() => AssertEnum<ConnectFailure>("Failed connects of a client", TelemetryNames.Of);

    [Fact]
    public void Violations_stand_in_the_book_with_the_code_that_answers_them()
    {
        foreach (string[] row in Rows("Protocol violations").Skip(1))
        {
            ProtocolViolation violation = Enum.Parse<ProtocolViolation>(row[1].Trim('`'));
            Assert.Equal(Protocol.Violations.CloseCode(violation), ushort.Parse(row[2], null));
        }
    }

    [Fact]
    public void Every_cause_names_the_log_events_that_tell_of_it_and_they_exist()
    {
        string[] ids = [.. Rows("Log events").Skip(1).Select(row => row[0])];
        Assert.All(Rows("Close causes").Skip(1), row => Assert.All(row[2].Split(", "), id => Assert.Contains(id, ids)));
        Assert.All(Rows("Refused handshakes").Skip(1), row => Assert.Contains(row[3], ids));
    }

    [Fact]
    public void Every_counter_of_a_cause_a_drop_a_violation_and_a_refusal_is_named_above_its_table()
    {
        foreach ((string section, string[] instruments) in new[]
        {
            ("Close causes", (string[])["connection.duration"]),
            ("Protocol violations", ["protocol.violations"]),
            ("Dropped messages", ["messages.dropped"]),
            ("Refused handshakes", ["handshake.failures"]),
        })
        {
            string text = string.Join(' ', Lines.SkipWhile(line => line.TrimStart('#', ' ') != section).Skip(1).TakeWhile(line => !line.StartsWith('|')));
            Assert.All(instruments, name => Assert.Contains($"`duologue.server.{name}`", text, StringComparison.Ordinal));
            Assert.All(instruments, name => Assert.Contains(Rows("Metrics"), row => row[0] == $"`duologue.server.{name}`"));
        }
    }

    [Fact]
    public void Every_limit_names_what_it_counts_as()
    {
        string limits = File.ReadAllText(Repository.PathOf("docs/limits.md")) + string.Join('\n', Lines);
        string[] options =
        [
            .. new[] { typeof(ConnectionOptions), typeof(DuologueEndpointOptions), typeof(DuologueOptions) }
                .SelectMany(type => type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
                .Select(property => property.Name)
                .Where(name => name.StartsWith("Max", StringComparison.Ordinal) || name.EndsWith("Timeout", StringComparison.Ordinal) || name.EndsWith("Limit", StringComparison.Ordinal))
                .Distinct(),
        ];
        Assert.True(options.Length > 12, "The options are found.");
        Assert.All(options, option => Assert.Contains($"`{option}`", string.Join('\n', Lines), StringComparison.Ordinal));
        Assert.All(options, option => Assert.Contains($"`{option}`", limits, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_log_event_stands_in_the_book_with_its_name_and_level()
    {
        LoggerMessageAttribute[] events =
        [
            .. new[] { typeof(Duologue.Log), typeof(Log) }
                .SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
                .Select(method => (method, attribute: method.GetCustomAttribute<LoggerMessageAttribute>()))
                .Where(pair => pair.attribute is not null)
                .Select(pair => pair.attribute!),
        ];
        Assert.Equal(events.Length, events.Select(each => each.EventId).Distinct().Count());
        Assert.Equal(events.Length, events.Select(each => each.EventName).Distinct().Count());
        Assert.All(events, each => Assert.False(string.IsNullOrEmpty(each.EventName)));
        string[] expected = [.. events.Select(each => $"{each.EventId} `{each.EventName}` {(each.Level == LogLevel.None ? "as the event" : each.Level)}").Order()];

        Assert.Equal(expected, Rows("Log events").Skip(1).Select(row => $"{row[0]} {row[1]} {row[2]}").Order());
    }

    [Fact]
    public async Task Every_instrument_stands_in_the_book_with_its_type_and_unit()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));
        var factory = host.Services.GetRequiredService<IMeterFactory>();
        _ = ClientMetrics.For(new ConnectOptions { MeterFactory = factory });
        var found = new List<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (ReferenceEquals(instrument.Meter.Scope, factory) && instrument.Meter.Name.StartsWith("Duologue", StringComparison.Ordinal))
                {
                    found.Add($"`{instrument.Name}` {TypeOf(instrument)} `{instrument.Unit}`");
                    Assert.False(string.IsNullOrEmpty(instrument.Description));
                }
            },
        };
        listener.Start();

        Assert.Equal(found.Order(), Rows("Metrics").Where(row => row[0] != "instrument").Select(row => $"{row[0]} {row[1]} {row[2]}").Order());
    }

    private static string TypeOf(Instrument instrument) => instrument.GetType().Name.Split('`')[0] switch
    {
        "Counter" => "counter",
        "UpDownCounter" => "up-down counter",
        "Histogram" => "histogram",
        "ObservableCounter" => "observable counter",
        "ObservableUpDownCounter" => "observable up-down counter",
        string other => other,
    };

    private static void AssertEnum<T>(string section, Func<T, string> name)
        where T : struct, Enum
    {
        T[] members = Enum.GetValues<T>();
        Assert.Equal(members.Length, members.Select(name).Distinct().Count());
        Assert.DoesNotContain(members, member => name(member) == TelemetryNames.Other && member.ToString() != "Other");
        Assert.Equal(
            members.Select(member => $"`{name(member)}` `{member}`").Order(),
            Rows(section).Skip(1).Select(row => $"{row[0]} {row[1]}").Order());
    }

    /// <summary>The cells of the tables below a heading, up to the next heading; the rules between head and rows are left out.</summary>
    private static IEnumerable<string[]> Rows(string heading)
    {
        int start = Array.FindIndex(Lines, line => line.TrimStart('#', ' ') == heading && line.StartsWith('#'));
        Assert.True(start >= 0, $"There is no heading \"{heading}\".");
        return Lines.Skip(start + 1)
            .TakeWhile(line => !line.StartsWith('#'))
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal))
            .Select(line => line.Trim('|', ' ').Split(" | ").Select(cell => cell.Trim()).ToArray());
    }
}
