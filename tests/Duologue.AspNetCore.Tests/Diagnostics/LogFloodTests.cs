using System.Diagnostics.Metrics;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore.Tests.Diagnostics;

public class LogFloodTests
{
    [Fact]
    public async Task A_flood_of_refused_handshakes_leaves_few_lines_and_a_true_count()
    {
        const int Requests = 50;
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Idle),
            _ => { },
            builder => builder.Logging.SetMinimumLevel(LogLevel.Information));
        var factory = host.Services.GetRequiredService<IMeterFactory>();
        using MetricCollector<long> failures = new(factory, ServerMetrics.MeterName, "duologue.server.handshake.failures");
        using MetricCollector<long> suppressed = new(factory, ServerMetrics.MeterName, "duologue.server.log.suppressed");

        for (int i = 0; i < Requests; i++)
        {
            await host.HandshakeAsync("/", ("Origin", "https://evil.test"));
        }

        // On a slow machine the flood may reach into further windows; what is not logged is counted all the same.
        int logged = host.Log.GetSnapshot().Count(record => record.Id.Name == "OriginRefused");
        Assert.Equal(Requests, failures.GetMeasurementSnapshot().Sum(each => each.Value));
        Assert.InRange(logged, LimitedLogger.Burst, Requests - 1);
        Assert.Equal(Requests - logged, suppressed.GetMeasurementSnapshot().Sum(each => each.Value));
        Assert.Equal("OriginRefused", suppressed.LastMeasurement!.Tags["duologue.log.event"]);
    }
}
