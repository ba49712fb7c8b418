using Duologue.AspNetCore;

namespace Duologue.EchoServer;

internal static class DuologueEcho
{
    public static void AddTo(WebApplicationBuilder builder, EchoDeflate? deflate) => builder.Services.AddDuologue(options =>
    {
        options.Compression = deflate is null ? Compression.Off
            : deflate.Context ? Compression.Dedicated(deflate.WindowBits) : Compression.Shared;
        options.MaxDedicatedCompressors = int.MaxValue;
    });

    public static void MapTo(WebApplication application, EchoStyle style)
    {
        if (style == EchoStyle.Class)
        {
            application.MapDuologue<EchoHandler>("/echo");
        }
        else
        {
            application.MapDuologue("/echo", async connection =>
            {
                await foreach (Message message in connection.ReadAllAsync())
                {
                    await connection.SendAsync(message.Data, message.Type);
                }
            });
        }

        application.MapDuologue<FanoutHandler>("/fanout");
        application.MapDuologue<FanoutPublishHandler>("/fanout/publish");
    }
}

internal sealed class EchoHandler : MessageHandler
{
    public override ValueTask OnMessageAsync(Connection connection, Message message)
    {
        connection.Send(message.Data.Span, message.Type);
        return ValueTask.CompletedTask;
    }
}

internal sealed class FanoutHandler : MessageHandler
{
    public const string Topic = "fanout";

    public override ValueTask OnOpenAsync(Connection connection)
    {
        connection.Subscribe(Topic);
        return ValueTask.CompletedTask;
    }

    public override ValueTask OnMessageAsync(Connection connection, Message message) => ValueTask.CompletedTask;
}

internal sealed class FanoutPublishHandler(Topics topics) : MessageHandler
{
    public override ValueTask OnMessageAsync(Connection connection, Message message)
    {
        topics.Publish(FanoutHandler.Topic, message.Data.Span, message.Type);
        return ValueTask.CompletedTask;
    }
}
