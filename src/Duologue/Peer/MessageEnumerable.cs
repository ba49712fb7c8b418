namespace Duologue.Peer;

/// <summary>
/// All messages of a connection. Written by hand over the connection's own value-task source: the compiler's iterator
/// would add a state machine and a source of its own to every message.
/// </summary>
internal sealed class MessageEnumerable(WebSocketConnection connection, CancellationToken cancellationToken)
    : IAsyncEnumerable<Message>, IAsyncEnumerator<Message>
{
    private CancellationToken _token = cancellationToken;
    private CancellationTokenSource? _linked;

    public Message Current => connection.ReceivedMessage;

    public IAsyncEnumerator<Message> GetAsyncEnumerator(CancellationToken cancellationToken)
    {
        if (cancellationToken.CanBeCanceled && cancellationToken != _token)
        {
            if (_token.CanBeCanceled)
            {
                _linked = CancellationTokenSource.CreateLinkedTokenSource(_token, cancellationToken);
                _token = _linked.Token;
            }
            else
            {
                _token = cancellationToken;
            }
        }

        return this;
    }

    public ValueTask<bool> MoveNextAsync() => connection.MoveNextAsync(_token);

    public ValueTask DisposeAsync()
    {
        _linked?.Dispose();
        return default;
    }
}
