using Duologue.AspNetCore;

namespace Duologue.EventLoop.Tests.Support;

internal sealed class EchoHandler : MessageHandler
{
    public override ValueTask OnMessageAsync(Connection connection, Message message)
    {
        connection.Send(message.Data.Span, message.Type);
        return ValueTask.CompletedTask;
    }
}

/// <summary>Answers only when there is room, so that no answer is refused whatever the size.</summary>
internal sealed class PatientEchoHandler : MessageHandler
{
    public override ValueTask OnMessageAsync(Connection connection, Message message) => connection.SendAsync(message.Data, message.Type, CancellationToken.None);
}
