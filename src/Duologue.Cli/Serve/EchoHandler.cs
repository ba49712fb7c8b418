using Duologue.AspNetCore;

namespace Duologue.Cli.Serve;

/// <summary>Each message back as it came. What everyone measures against: nothing else happens here.</summary>
internal sealed class EchoHandler : MessageHandler
{
    // SendAsync takes what is larger than the send queue piece by piece, and completes at once when there is room.
    public override ValueTask OnMessageAsync(Connection connection, Message message) =>
        connection.SendAsync(message.Data, message.Type, CancellationToken.None);
}
