namespace Duologue;

/// <summary>
/// Who is told of a connection's messages by push. Calls for one connection never overlap, and the next data message
/// comes only after the last call has completed; control frames go on being handled meanwhile.
/// </summary>
internal interface IMessageHandler
{
    ValueTask OnOpenAsync(Connection connection);

    ValueTask OnMessageAsync(Connection connection, Message message);

    ValueTask OnCloseAsync(Connection connection, CloseInfo info);
}
