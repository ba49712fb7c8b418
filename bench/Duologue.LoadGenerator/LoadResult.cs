using System.Diagnostics;
using System.Globalization;

namespace Duologue.LoadGenerator;

/// <param name="RoundTrips">In ticks of <see cref="Stopwatch"/>, sorted.</param>
internal sealed record LoadResult(LoadOptions Options, long Count, TimeSpan Elapsed, CpuTime Server, CpuTime Own, long[] RoundTrips)
{
    public double MessagesPerSecond => Count / Elapsed.TotalSeconds;

    public string ToJson() => string.Create(
        CultureInfo.InvariantCulture,
        $$"""{"conns":{{Options.Connections}},"payload":{{Options.Payload}},"mps":{{MessagesPerSecond:F0}},"cpu_ns":{{PerMessage(Server.Total):F1}},"user_ns":{{PerMessage(Server.User):F1}},"sys_ns":{{PerMessage(Server.System):F1}},"gen_util":{{Own.Total / Elapsed:F3}},"p50_us":{{Percentile(0.5):F2}},"p99_us":{{Percentile(0.99):F2}}}""");

    public string ToText() => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        {MessagesPerSecond:N0} messages/s of {Options.Payload:N0} bytes over {Options.Connections} connections
          round trip: p50 {Percentile(0.5):N1} us, p99 {Percentile(0.99):N1} us
          server: {PerMessage(Server.Total):N0} ns of CPU per message (user {PerMessage(Server.User):N0}, system {PerMessage(Server.System):N0})
          generator: {Own.Total / Elapsed:P0} of a core
        """);

    private double PerMessage(TimeSpan time) => Count == 0 ? 0 : time.TotalNanoseconds / Count;

    private double Percentile(double share) =>
        RoundTrips.Length == 0 ? 0 : Stopwatch.GetElapsedTime(0, RoundTrips[(int)(share * (RoundTrips.Length - 1))]).TotalMicroseconds;
}
