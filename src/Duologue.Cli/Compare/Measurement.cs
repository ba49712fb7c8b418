using System.Text.Json.Serialization;
using Duologue.Cli.Compare.Server;

namespace Duologue.Cli.Compare;

/// <summary>All that one run of <c>duologue compare</c> found. Described in docs/cli.md.</summary>
internal sealed record CompareResult(DateTimeOffset Began, Machine Machine, Settings Settings, bool WasInterrupted, IReadOnlyList<Measurement> Ways, IReadOnlyList<Measurement> OtherRates, IReadOnlyList<Measurement> SmallerCrowds)
{
    [JsonIgnore]
    public IEnumerable<Measurement> All => [.. Ways, .. OtherRates, .. SmallerCrowds];

    public long Lost => All.Sum(each => each.Lost);

    public long Duplicated => All.Sum(each => each.Duplicated);
}

/// <summary>Where it ran.</summary>
internal sealed record Machine(string Processor, int Cores, string System, string Runtime);

/// <summary>What was asked for.</summary>
internal sealed record Settings(int Clients, double Rate, double IntervalSeconds, double DurationSeconds, string EventLoop);

/// <summary>One way, one number of clients, one rate.</summary>
internal sealed record Measurement(Way Way, int Clients, double Rate)
{
    public long Published { get; init; }

    public long Delivered { get; init; }

    public long Lost { get; init; }

    public long Duplicated { get; init; }

    public required Delays Delay { get; init; }

    /// <summary>Requests that the clients sent, per message that one of them got.</summary>
    public double RequestsPerMessage { get; init; }

    /// <summary>Bytes over the clients' sockets, both directions and all heads, per message that one of them got.</summary>
    public double BytesPerMessage { get; init; }

    /// <summary>The server's processor time per message that a client got; it includes what waiting costs meanwhile.</summary>
    public double CpuMicrosecondsPerMessage { get; init; }

    /// <summary>What the clients cost while they wait; only at the first rate.</summary>
    public Waiting? Waiting { get; init; }
}

/// <summary>From publishing to the client, in milliseconds.</summary>
internal sealed record Delays(double P50, double P99, double Max, IReadOnlyList<DelayShare> Distribution);

/// <summary>This share of all messages was not later than that.</summary>
internal readonly record struct DelayShare(double Share, double Milliseconds);

/// <summary>What clients cost that wait for news while there is none.</summary>
/// <param name="CpuPercent">The server's processor time, in percent of one core.</param>
/// <param name="RequestsPerSecond">Of all clients together.</param>
/// <param name="BytesPerSecond">Of all clients together, both directions.</param>
/// <param name="Connections">TCP connections that are open.</param>
/// <param name="HeapBytesPerClient">What lives on the server's managed heap, after a collection, above what was there before the clients.</param>
/// <param name="ResidentBytesPerClient">The same of the server's memory as the system counts it.</param>
internal sealed record Waiting(double CpuPercent, double RequestsPerSecond, double BytesPerSecond, int Connections, double HeapBytesPerClient, double ResidentBytesPerClient);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true)]
[JsonSerializable(typeof(CompareResult))]
[JsonSerializable(typeof(ServerUsage))]
internal sealed partial class CompareJson : JsonSerializerContext;
