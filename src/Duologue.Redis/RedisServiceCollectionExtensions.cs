using Duologue.AspNetCore;
using Duologue.Redis;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Makes the topics of many processes one.</summary>
public static class RedisServiceCollectionExtensions
{
    /// <summary>Stores topics in Redis, Valkey or Garnet, shared by all processes that do the same.</summary>
    /// <param name="services">What <c>AddDuologue</c> returned.</param>
    /// <param name="configuration">In the format of StackExchange.Redis, such as <c>HOST:PORT</c>.</param>
    public static IServiceCollection UseRedis(this IServiceCollection services, string configuration) => services.UseRedis(configuration, static _ => { });

    /// <inheritdoc cref="UseRedis(IServiceCollection, string)"/>
    /// <param name="services">What <c>AddDuologue</c> returned.</param>
    /// <param name="configuration">In the format of StackExchange.Redis, such as <c>HOST:PORT</c>.</param>
    /// <param name="configure">Sets options.</param>
    public static IServiceCollection UseRedis(this IServiceCollection services, string configuration, Action<RedisBrokerOptions> configure)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(configuration);
        int scheme = configuration.IndexOf("://", StringComparison.Ordinal);
        if (scheme >= 0 && !configuration.AsSpan(0, scheme).Contains('='))
        {
            // StackExchange.Redis would look for a host of that name. There may be a password in it.
            throw new ArgumentException("The configuration is HOST:PORT, perhaps with options of StackExchange.Redis, such as cache:6380,ssl=true,password=PASSWORD, and it is a URL. Leave out what stands before the host; ssl=true is TLS.", nameof(configuration));
        }

        return services.UseRedis(ConfigurationOptions.Parse(configuration), configure);
    }

    /// <inheritdoc cref="UseRedis(IServiceCollection, string)"/>
    /// <param name="services">What <c>AddDuologue</c> returned.</param>
    /// <param name="configuration">Where the server is, and how to get in: TLS, user, password.</param>
    public static IServiceCollection UseRedis(this IServiceCollection services, ConfigurationOptions configuration) => services.UseRedis(configuration, static _ => { });

    /// <inheritdoc cref="UseRedis(IServiceCollection, string)"/>
    /// <param name="services">What <c>AddDuologue</c> returned.</param>
    /// <param name="configuration">Where the server is, and how to get in: TLS, user, password.</param>
    /// <param name="configure">Sets options.</param>
    public static IServiceCollection UseRedis(this IServiceCollection services, ConfigurationOptions configuration, Action<RedisBrokerOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(configure);
        return services.UseRedis(options =>
        {
            options.Configuration = configuration;
            configure(options);
        });
    }

    /// <inheritdoc cref="UseRedis(IServiceCollection, string)"/>
    /// <param name="services">What <c>AddDuologue</c> returned.</param>
    /// <param name="connectionFactory">Gives a connection that the application makes, and disposes of, by itself.</param>
    public static IServiceCollection UseRedis(this IServiceCollection services, Func<IServiceProvider, Task<IConnectionMultiplexer>> connectionFactory)
    {
        ArgumentNullException.ThrowIfNull(connectionFactory);
        return services.UseRedis(options => options.ConnectionFactory = connectionFactory);
    }

    /// <inheritdoc cref="UseRedis(IServiceCollection, string)"/>
    /// <param name="services">What <c>AddDuologue</c> returned.</param>
    /// <param name="configure">Sets options; one of them says how to connect.</param>
    public static IServiceCollection UseRedis(this IServiceCollection services, Action<RedisBrokerOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.AddDuologue();
        services.AddOptions<RedisBrokerOptions>().Configure(configure).ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<RedisBrokerOptions>, RedisBrokerOptionsValidator>());
        services.TryAddSingleton<RedisMetrics>();
        services.TryAddSingleton<SessionForwarder>();
        services.TryAddSingleton<SessionNodes>(static provider => provider.GetRequiredService<SessionForwarder>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IStartupFilter, ForwardedRequests>());
        if (services.Any(service => service.ServiceType == typeof(RedisBroker)))
        {
            return services;
        }

        services.AddOptions<RedisBrokerOptions>()
            .PostConfigure<IOptions<DuologueOptions>>(static (redis, duologue) =>
            {
                if (!redis.IsNodeNameSet && duologue.Value.NodeName is { } name)
                {
                    redis.NodeName = name;
                }
            })
            .Validate<IOptions<DuologueOptions>>(
                static (redis, duologue) => duologue.Value.NodeName is null || duologue.Value.NodeName == redis.NodeName,
                $"{nameof(DuologueOptions)}.{nameof(DuologueOptions.NodeName)} and {nameof(RedisBrokerOptions)}.{nameof(RedisBrokerOptions.NodeName)} differ: a node has one name; set one of them.");
        services.AddSingleton(static provider => new RedisBroker(
            provider.GetRequiredService<IOptions<RedisBrokerOptions>>(),
            provider.GetRequiredService<IOptions<DuologueOptions>>(),
            provider.GetRequiredService<RedisMetrics>(),
            provider.GetRequiredService<ServerMetrics>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILoggerFactory>(),
            provider));
        services.Replace(ServiceDescriptor.Singleton<Broker>(static provider => provider.GetRequiredService<RedisBroker>()));
        services.AddHostedService<NodeService>();
        services.AddHealthChecks().AddCheck<RedisHealthCheck>("duologue-redis");
        return services;
    }
}
