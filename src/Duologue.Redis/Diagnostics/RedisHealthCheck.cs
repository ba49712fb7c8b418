using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Duologue.Redis;

/// <summary>Whether this node has its broker. Degraded if not: its subscribers keep their connections, and catch up.</summary>
internal sealed class RedisHealthCheck(RedisBroker broker) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken)
    {
        var data = new Dictionary<string, object>
        {
            ["node"] = broker.NodeName,
            ["nodes"] = broker.Nodes.Count,
            ["nodes_of_other_layout"] = broker.Strangers,
            ["lag_ms"] = broker.Lag.TotalMilliseconds,
            ["pending"] = broker.PendingPublishes,
        };
        if (broker.IsNameTaken)
        {
            return Task.FromResult(HealthCheckResult.Degraded("Another node that lives has this one's name: its sessions are not found by others (NodeName).", null, data));
        }

        if (!broker.IsConnected && broker.Refusal is { } refusal)
        {
            return Task.FromResult(HealthCheckResult.Degraded($"Redis refuses what makes the link: {refusal}", null, data));
        }

        return Task.FromResult(broker.IsConnected
            ? HealthCheckResult.Healthy(null, data)
            : HealthCheckResult.Degraded("The link to Redis is interrupted; publishes wait, and subscribers catch up after it.", null, data));
    }
}
