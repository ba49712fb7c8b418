namespace Duologue.AspNetCore;

/// <summary>
/// Answers that the handler of a connection owes: each is sent when it is there and those before it have been, while the handler takes what comes next. While there are any, the peer's Close waits for them.
/// </summary>
internal sealed class OwedAnswers
{
    /// <summary>The most at a time: then the handler waits until all have been sent.</summary>
    public const int Most = 64;

    private readonly WebSocketConnection _connection;
    private readonly Queue<(Task<byte[]> Answer, PublishTurn? Turn)> _owed = new();
    private readonly Lock _lock = new();
    private readonly Task _sending;
    private bool _isOver;

    private OwedAnswers(WebSocketConnection connection, Task<byte[]> answer, PublishTurn? turn)
    {
        _connection = connection;
        _owed.Enqueue((answer, turn));
        connection.Owe(this);
        _sending = SendAsync();
    }

    /// <summary>Completes when nothing is owed. Within a call of the handler. Never throws.</summary>
    public static ValueTask WhenSentAsync(WebSocketConnection connection) => connection.Owed is OwedAnswers owed ? new(owed._sending) : default;

    /// <summary>Owes one more, in UTF-8; one that is empty is waited for, and nothing is sent. Within a call of the handler, which may end when this completes. Never throws.</summary>
    /// <param name="connection">To whom.</param>
    /// <param name="answer">What it throws is the handler's failure.</param>
    /// <param name="turn">Of which publish it is, if that can be named by others.</param>
    public static ValueTask AddAsync(WebSocketConnection connection, Task<byte[]> answer, PublishTurn? turn)
    {
        Tracing.Extend(answer);
        if (connection.Owed is not OwedAnswers owed)
        {
            _ = new OwedAnswers(connection, answer, turn);
            return default;
        }

        lock (owed._lock)
        {
            if (!owed._isOver)
            {
                owed._owed.Enqueue((answer, turn));
                return owed._owed.Count < Most ? default : new(owed._sending);
            }
        }

        _ = new OwedAnswers(connection, answer, turn);
        return default;
    }

    /// <summary>The last publish with this key whose answer is owed; null if there is none.</summary>
    public static PublishTurn? Find(WebSocketConnection connection, string key)
    {
        if (connection.Owed is not OwedAnswers owed)
        {
            return null;
        }

        lock (owed._lock)
        {
            return owed._owed.LastOrDefault(one => one.Turn?.Key == key).Turn;
        }
    }

    private async Task SendAsync()
    {
        Task<byte[]>? next;
        while ((next = Next()) is not null)
        {
            try
            {
                byte[] answer = await next.ConfigureAwait(false);
                if (answer.Length > 0)
                {
                    await _connection.SendAsync(answer, MessageType.Text, CancellationToken.None).ConfigureAwait(false);
                }
            }
            catch (ConnectionClosedException)
            {
                // It went while it was being answered; its end is told by its own event.
            }
#pragma warning disable CA1031 // As if a call of the handler had thrown it.
            catch (Exception error)
#pragma warning restore CA1031
            {
                _connection.FailHandler(error);
            }

            lock (_lock)
            {
                _owed.Dequeue();
            }
        }

        _connection.Settle(this);
    }

    private Task<byte[]>? Next()
    {
        lock (_lock)
        {
            _isOver = !_owed.TryPeek(out (Task<byte[]> Answer, PublishTurn? Turn) next);
            return next.Answer;
        }
    }
}
