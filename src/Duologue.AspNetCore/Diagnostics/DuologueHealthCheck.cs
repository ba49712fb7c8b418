using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Duologue.AspNetCore;

/// <summary>Whether the server takes connections: yes, hardly, or no more because it is stopping.</summary>
internal sealed class DuologueHealthCheck(DuologueServer server) : IHealthCheck
{
    // From here on a load balancer does well to prefer another.
    private const double NearlyFull = 0.9;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken)
    {
        int connections = server.Admission.Total;
        int limit = server.Options.MaxConnections;
        bool draining = server.IsDraining;
        var data = new Dictionary<string, object>
        {
            ["connections"] = connections,
            ["limit"] = limit,
            ["draining"] = draining,
        };
        if (draining)
        {
            return Task.FromResult(new HealthCheckResult(context.Registration.FailureStatus, "The server is shutting down and takes no more connections.", null, data));
        }

        return Task.FromResult(limit > 0 && connections >= limit * NearlyFull
            ? HealthCheckResult.Degraded($"{connections} of {limit} connections (MaxConnections) are taken.", null, data)
            : HealthCheckResult.Healthy(null, data));
    }
}
