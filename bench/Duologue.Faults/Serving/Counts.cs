using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text.Json.Serialization;

namespace Duologue.Faults;

/// <summary>The server's own metrics, summed up by their telling attribute: <c>close:limit_exceeded</c>, <c>handshake:address_rate</c>.</summary>
internal sealed class Counts : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, long> _sums = [];
    private readonly IMeterFactory _factory;

    public Counts(IMeterFactory factory)
    {
        _factory = factory;
        _listener.InstrumentPublished = Enable;
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument.Name, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Add(instrument.Name, 1, tags));
        _listener.Start();
    }

    public Dictionary<string, long> Snapshot() => new(_sums);

    public void Dispose() => _listener.Dispose();

    // The meters of this application alone: a test may have several.
    private void Enable(Instrument instrument, MeterListener listener)
    {
        if (ReferenceEquals(instrument.Meter.Scope, _factory) && Kind(instrument.Name) is not null)
        {
            listener.EnableMeasurementEvents(instrument);
        }
    }

    private static (string Prefix, string? Attribute)? Kind(string instrument) => instrument switch
    {
        "duologue.server.connection.duration" => ("close", "duologue.close.cause"),
        "duologue.server.handshake.failures" => ("handshake", "duologue.handshake.failure"),
        "duologue.server.messages.dropped" => ("drop", "duologue.drop.reason"),
        "duologue.server.active_connections" => ("active", null),
        "kestrel.connection.duration" => ("tcp", "error.type"),
        _ => null,
    };

    private void Add(string instrument, long value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        (string prefix, string? attribute) = Kind(instrument)!.Value;
        string key = prefix;
        if (attribute is not null)
        {
            string name = "none";
            foreach (KeyValuePair<string, object?> tag in tags)
            {
                name = tag.Key == attribute ? $"{tag.Value}" : name;
            }

            key = $"{prefix}:{name}";
        }

        _sums.AddOrUpdate(key, value, (_, sum) => sum + value);
    }
}

/// <summary>What the server's process holds, in bytes.</summary>
/// <param name="Managed">The live objects, after a collection.</param>
/// <param name="Committed">What the collector has of the system, also for objects to come.</param>
/// <param name="Resident">All of the process that is in memory.</param>
internal sealed record Memory(long Managed, long Committed, long Resident);

[JsonSerializable(typeof(Dictionary<string, long>))]
[JsonSerializable(typeof(Memory))]
[JsonSerializable(typeof(RunResult))]
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class FaultsJson : JsonSerializerContext;
