namespace Duologue.AspNetCore;

/// <summary>
/// The newest messages of a topic whose log is elsewhere, for those who read at their own pace: what a notification has brought here need not be asked for once more by each of them. Not thread-safe.
/// </summary>
internal sealed class TopicTail(TimeProvider time)
{
    // For readers that were just woken. Who is further behind has the log, which also knows what is too old to be read.
    private const int MaxCount = 32;
    private const int MaxBytes = 16 * 1024;

    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(5);

    private readonly Queue<(TopicMessage Message, long At)> _messages = new();
    private TopicPosition _end;
    private TopicPage? _newest;
    private int _bytes;

    /// <summary>Adds the message that was delivered last. What is larger than all that is kept empties it.</summary>
    public void Add(TopicMessage message)
    {
        if (!message.Follows(_end))
        {
            _messages.Clear();
            _bytes = 0;
        }

        _messages.Enqueue((message, time.GetTimestamp()));
        (_end, _newest) = (message.Position, null);
        _bytes += message.Data.Length;
        while (_messages.Count > MaxCount || _bytes > MaxBytes)
        {
            _bytes -= _messages.Dequeue().Message.Data.Length;
        }
    }

    /// <summary>Reads what follows a place; null if it is not all here.</summary>
    public TopicPage? Read(TopicPosition after, int maxCount, int maxBytes)
    {
        long count = _end.Offset - after.Offset;
        if (after.Epoch != _end.Epoch || count <= 0 || count > _messages.Count)
        {
            return null;
        }

        List<TopicMessage> read = [];
        int bytes = 0;
        foreach ((TopicMessage message, long at) in _messages.Skip(_messages.Count - (int)count))
        {
            if (read.Count == 0 && time.GetElapsedTime(at) > MaxAge)
            {
                return null;
            }

            if (count == 1)
            {
                // All who wait at the end are woken by one message: one page for all of them.
                return _newest ??= new TopicPage([message], _end, false);
            }

            bytes += message.Data.Length;
            if (read.Count > 0 && (read.Count == maxCount || bytes > maxBytes))
            {
                break;
            }

            read.Add(message);
        }

        return new TopicPage(read, read[^1].Position, read.Count < count);
    }
}
