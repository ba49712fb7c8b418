namespace Duologue.AspNetCore;

/// <summary>The streams and held requests of users who are signed in, so that they end when their users' connections do. Thread-safe; its lock is a leaf.</summary>
internal sealed class HeldRequests
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, HashSet<HeldRequest>> _byUser = new(StringComparer.Ordinal);

    /// <summary>A request begins to be held, until what this gives is disposed of.</summary>
    /// <param name="userId">The user's name; null where nobody is signed in, who cannot be told from others.</param>
    /// <param name="gone">The client's end.</param>
    /// <returns>Null where nobody is signed in.</returns>
    public HeldRequest? Begin(string? userId, CancellationToken gone)
    {
        if (userId is null)
        {
            return null;
        }

        var held = new HeldRequest(this, userId, gone);
        lock (_lock)
        {
            if (!_byUser.TryGetValue(userId, out HashSet<HeldRequest>? all))
            {
                _byUser.Add(userId, all = []);
            }

            all.Add(held);
        }

        return held;
    }

    /// <summary>Ends all that a user holds, without waiting for it.</summary>
    public void Stop(string userId)
    {
        HeldRequest[] all;
        lock (_lock)
        {
            all = _byUser.TryGetValue(userId, out HashSet<HeldRequest>? found) ? [.. found] : [];
        }

        foreach (HeldRequest held in all)
        {
            held.Cancel();
        }
    }

    public void End(HeldRequest held, string userId)
    {
        lock (_lock)
        {
            if (_byUser.TryGetValue(userId, out HashSet<HeldRequest>? all) && all.Remove(held) && all.Count == 0)
            {
                _byUser.Remove(userId);
            }
        }
    }
}

/// <summary>A stream or a held request of a user's.</summary>
internal sealed class HeldRequest(HeldRequests all, string userId, CancellationToken gone) : IDisposable
{
    private readonly CancellationTokenSource _source = CancellationTokenSource.CreateLinkedTokenSource(gone);

    /// <summary>The client has gone, or is to be held no longer.</summary>
    public CancellationToken Stop => _source.Token;

    public void Cancel()
    {
        try
        {
            _source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended by itself.
        }
    }

    public void Dispose()
    {
        all.End(this, userId);
        _source.Dispose();
    }
}
