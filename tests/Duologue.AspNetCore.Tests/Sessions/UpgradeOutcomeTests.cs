using System.Diagnostics.Metrics;
using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Duologue.AspNetCore.Tests.Sessions;

/// <summary>How a WebSocket's try to take a session over ends is counted and logged, once.</summary>
public class UpgradeOutcomeTests
{
    [Theory]
    [InlineData("Completed", "SessionUpgraded")]
    [InlineData("Timeout", "SessionNotUpgraded")]
    [InlineData("Failed", "SessionNotUpgraded")]
    public async Task A_try_is_counted_by_its_outcome_and_logged(string name, string logEvent)
    {
        UpgradeOutcome outcome = Enum.Parse<UpgradeOutcome>(name);
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue<EchoHandler>("/engine.io"),
            options => options.SessionUpgradeTimeout = outcome == UpgradeOutcome.Timeout ? TimeSpan.FromMilliseconds(100) : TimeSpan.FromMinutes(5));
        using var upgrades = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.server.upgrades");
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = Assert.Single(host.Connections);
        using ClientWebSocket socket = await client.UpgradeAsync();
        if (outcome == UpgradeOutcome.Completed)
        {
            await socket.SendTextAsync("2probe");
            Assert.Equal("3probe", await socket.ReceiveTextAsync());
            await socket.SendTextAsync("5");
            await socket.SendTextAsync("4over");
            Assert.Equal("4over", await socket.ReceiveTextAsync());
            await socket.CloseAsync();
        }
        else
        {
            if (outcome == UpgradeOutcome.Failed)
            {
                await socket.SendTextAsync("6");
            }

            Assert.StartsWith("close", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", TestContext.Current.CancellationToken);

            // When it has gone, all has been told.
            await Eventually.True(() => upgrades.GetMeasurementSnapshot().Count > 0);
            Assert.Equal((200, "ok"), await client.PostAsync("4polled"));
            Assert.Equal((200, "4polled"), await client.GetAsync());
        }

        await Eventually.True(() => upgrades.GetMeasurementSnapshot().Count > 0);
        Assert.Equal(outcome.Name(), Assert.Single(upgrades.GetMeasurementSnapshot()).Tags["duologue.upgrade.outcome"]);
        await Eventually.True(() => host.Log.GetSnapshot().Any(record => record.Id.Name == logEvent));
        Assert.Contains(connection.Id, Assert.Single(host.Log.GetSnapshot(), record => record.Id.Name == logEvent).Message, StringComparison.Ordinal);
    }
}
