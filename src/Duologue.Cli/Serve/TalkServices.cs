using System.Diagnostics.Metrics;
using Duologue.AspNetCore;
using Duologue.Cli.Talk;
using Duologue.Redis;

namespace Duologue.Cli.Serve;

/// <summary>What the talk is made of: of this process alone, or of all nodes that share topics.</summary>
internal static class TalkServices
{
    public static void AddTalk(this IServiceCollection services, bool isShared, int maxFile)
    {
        services.AddSingleton(provider => new TalkWatch(provider.GetRequiredService<IMeterFactory>(), provider.GetRequiredService<ILoggerFactory>(), TimeProvider.System));
        if (isShared)
        {
            services.AddSingleton(CreateSharedLog);
            services.AddSingleton(provider => new TalkRoom(provider.GetRequiredService<SharedLog>(), new NodeAudience(), TimeProvider.System, maxFile));
            services.AddHostedService(static provider =>
            {
                // The room first: it is what the log is applied to.
                _ = provider.GetRequiredService<TalkRoom>();
                return provider.GetRequiredService<SharedLog>();
            });
        }
        else
        {
            services.AddSingleton(provider => new TalkRoom(new OwnLog(TimeProvider.System), new TopicAudience(provider.GetRequiredService<Topics>()), TimeProvider.System, maxFile));
        }

        services.AddHostedService<TalkClock>();
    }

    private static SharedLog CreateSharedLog(IServiceProvider services)
    {
        RedisBroker broker = services.GetRequiredService<RedisBroker>();
        return new SharedLog(services.GetRequiredService<Topics>(), () => broker.IsConnected, services.GetRequiredService<ILoggerFactory>().CreateLogger("Duologue.Cli.Talk"), TimeProvider.System);
    }
}
