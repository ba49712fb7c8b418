using Duologue.AspNetCore;

namespace Duologue.Cli.Serve;

/// <summary><c>/fanout</c>: receives all that is sent to <c>/fanout/publish</c>.</summary>
internal sealed class FanoutHandler : MessageHandler
{
    public const string Topic = "fanout";

    private const ushort PolicyViolation = 1008;

    public override ValueTask OnOpenAsync(Connection connection)
    {
        connection.Subscribe(Topic);
        return ValueTask.CompletedTask;
    }

    // A message that nobody will get is not taken in silence.
    public override async ValueTask OnMessageAsync(Connection connection, Message message) =>
        await connection.CloseAsync(PolicyViolation, "/fanout only receives; send to /fanout/publish").ConfigureAwait(false);
}

/// <summary><c>/fanout/publish</c>: what is sent here goes to all at <c>/fanout</c>.</summary>
internal sealed class FanoutPublishHandler(Topics topics) : MessageHandler
{
    public override ValueTask OnMessageAsync(Connection connection, Message message)
    {
        topics.Publish(FanoutHandler.Topic, message.Data.Span, message.Type);
        return ValueTask.CompletedTask;
    }
}
