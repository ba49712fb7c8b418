using Duologue.AspNetCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds the health of Duologue to those of the application.</summary>
public static class DuologueHealthChecksBuilderExtensions
{
    /// <summary>Adds the check under the name <c>duologue</c>, without tags; see <see cref="AddDuologue(IHealthChecksBuilder, string, IEnumerable{string})"/>.</summary>
    /// <param name="builder">What <c>AddHealthChecks</c> returned.</param>
    public static IHealthChecksBuilder AddDuologue(this IHealthChecksBuilder builder) => builder.AddDuologue("duologue", []);

    /// <summary>
    /// Adds a check that is healthy while the server takes connections, degraded from 90 % of <see cref="DuologueOptions.MaxConnections"/> on, and
    /// unhealthy while it drains. Its data are <c>connections</c>, <c>limit</c> (0 for none) and <c>draining</c>.
    /// </summary>
    /// <param name="builder">What <c>AddHealthChecks</c> returned.</param>
    /// <param name="name">Names the check in reports.</param>
    /// <param name="tags">By which an application may choose among its checks, such as <c>ready</c>.</param>
    public static IHealthChecksBuilder AddDuologue(this IHealthChecksBuilder builder, string name, IEnumerable<string> tags)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(tags);
        builder.Services.AddDuologue();
        return builder.Add(new HealthCheckRegistration(
            name,
            static services => new DuologueHealthCheck(services.GetRequiredService<DuologueServer>()),
            failureStatus: null,
            tags));
    }
}
