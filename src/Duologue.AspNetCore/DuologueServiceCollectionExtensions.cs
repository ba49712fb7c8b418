using Duologue.AspNetCore;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds what <c>MapDuologue</c> needs.</summary>
public static class DuologueServiceCollectionExtensions
{
    /// <summary>
    /// Adds Duologue: the services <see cref="Connections"/> and <see cref="Topics"/>, the drain at the application's end, metrics. May be
    /// called more than once.
    /// </summary>
    /// <param name="services">The application's services.</param>
    public static IServiceCollection AddDuologue(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddRouting();
        services.AddMetrics();

        // They are validated when the server is made, and the drain sees to it that this is before the application has started. ValidateOnStart would make and judge a second instance of them.
        services.AddOptions<DuologueOptions>();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(_ => new Connections());
        services.TryAddSingleton<ServerMetrics>();
        services.TryAddSingleton<DuologueServer>();
        services.TryAddSingleton<Topics>(provider => provider.GetRequiredService<DuologueServer>().Topics);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<DuologueOptions>, DuologueOptionsValidator>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<MatcherPolicy, WebSocketMatcherPolicy>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, DrainService>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, EndpointCheck>());
        return services;
    }

    /// <summary>Adds Duologue and sets options that are the defaults of all endpoints.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configure">Sets options. They are validated when the application starts.</param>
    public static IServiceCollection AddDuologue(this IServiceCollection services, Action<DuologueOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        services.AddDuologue();
        services.Configure(configure);
        return services;
    }
}
