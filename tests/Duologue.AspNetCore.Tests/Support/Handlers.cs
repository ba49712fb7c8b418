namespace Duologue.AspNetCore.Tests.Support;

/// <summary>Delegates that many tests map.</summary>
internal static class Talks
{
    public static async Task Echo(Connection connection)
    {
        await foreach (Message message in connection.ReadAllAsync())
        {
            await connection.SendAsync(message.Data, message.Type);
        }
    }

    /// <summary>Stays open until the other side closes.</summary>
    public static async Task Idle(Connection connection)
    {
        await foreach (Message _ in connection.ReadAllAsync())
        {
        }
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
