using System.Net;
using Duologue.Redis;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.SignalR;
using StackExchange.Redis;

namespace Duologue.Backplane;

/// <summary>A node: the same Kestrel, without logging, under either engine. What is not said here is each engine's default.</summary>
internal static class NodeApplication
{
    public const string HubPath = "/hub";
    public const string TopicsPath = "/topics";

    public static WebApplication Build(NodeArguments arguments)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, arguments.Port));
        if (arguments.EventLoop)
        {
            // It would compact its heap while others are measured on the same processor: the end of each measurement is the end of a burst of connections.
            builder.WebHost.UseEventLoop(loop => loop.CollectWhenQuiet = false);
        }

        WebApplication application;
        if (arguments.Engine == Engine.SignalR)
        {
            // AbortOnConnectFail: both are to start, and to come back, where Redis is away.
            builder.Services.AddSignalR().AddStackExchangeRedis(arguments.Redis, redis => (redis.Configuration.ChannelPrefix, redis.Configuration.AbortOnConnectFail) = (RedisChannel.Literal("signalr"), false));
            application = builder.Build();
            application.MapHub<RoomHub>(HubPath);
        }
        else
        {
            builder.Services.AddDuologue().UseRedis(arguments.Redis);
            application = builder.Build();
            application.MapTopics(TopicsPath + "/{**name}").WithOptions(topics => topics.AllowPublishing = true);
        }

        application.MapGet("/ready", (HttpContext context) =>
        {
            bool ready = context.RequestServices.GetService<RedisBroker>() is not { IsConnected: false };
            context.Response.StatusCode = ready ? StatusCodes.Status204NoContent : StatusCodes.Status503ServiceUnavailable;
            return Task.CompletedTask;
        });
        return application;
    }

    public static int PortOf(WebApplication application) =>
        new Uri(application.Services.GetRequiredService<Microsoft.AspNetCore.Hosting.Server.IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
}

/// <summary>What a chat application writes: groups, and a message to all who are in one. A client learns which group it is from.</summary>
internal sealed class RoomHub : Hub
{
    public const string News = "news";

    public Task Join(string room) => Groups.AddToGroupAsync(Context.ConnectionId, room);

    public Task Publish(string room, string text) => Clients.Group(room).SendAsync(News, room, text);
}
