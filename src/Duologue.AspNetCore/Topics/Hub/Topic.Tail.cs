namespace Duologue.AspNetCore;

/// <summary>Where the log is elsewhere: what readers need not ask it for.</summary>
internal sealed partial class Topic
{
    // Guarded by the publish lock.
    private TopicTail? _tail;

    /// <summary>
    /// Reads what this process knows to follow a place, perhaps nothing; null if only the log can tell. Many subscribers of one topic are so no more reads than one. Nothing is missed by it: where a
    /// notification was lost the broker says so, and who has read to the end waits for that.
    /// </summary>
    public TopicPage? TryReadHere(TopicPosition after, int maxCount, int maxBytes)
    {
        if (!hub.IsRemote)
        {
            return null;
        }

        lock (_publishLock)
        {
            if (_following != Following.Yes || _pumping || _isBehind)
            {
                return null;
            }

            return after == _delivered ? new TopicPage([], after, false) : _tail?.Read(after, maxCount, maxBytes);
        }
    }

    // For readers alone: members are handed what comes.
    private void Keep(ReadOnlySpan<TopicMessage> messages)
    {
        if (!hub.IsRemote)
        {
            return;
        }

        bool hasReaders;
        lock (_setLock)
        {
            hasReaders = _readers is { Count: > 0 };
        }

        if (hasReaders)
        {
            foreach (TopicMessage message in messages)
            {
                (_tail ??= new TopicTail(hub.Time)).Add(message);
            }
        }
        else
        {
            _tail = null;
        }
    }
}
