namespace Duologue.Client;

/// <summary>
/// Which transport got through to an origin where the preferred one did not, so that the next connect call does not wait for the same failure. For a
/// while only, and at first for a short one: a server that dies, or restarts, fails once, and a network that lets a transport not through does so each
/// time. Thread-safe.
/// </summary>
internal sealed class TransportMemory
{
    private const int Capacity = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Scheme, string Host, int Port), Entry> _origins = [];

    /// <summary>The process's: what is remembered is about the network, which connections have in common.</summary>
    public static TransportMemory Shared { get; } = new();

    /// <summary>How long something is remembered that has happened once.</summary>
    public static TimeSpan FirstLifetime { get; } = TimeSpan.FromSeconds(15);

    /// <summary>How long at most, where it has happened again and again: each time it is twice as long as before.</summary>
    public static TimeSpan LongestLifetime { get; } = TimeSpan.FromMinutes(10);

    public void Remember(Uri uri, Transport transport, TimeProvider timeProvider)
    {
        DateTimeOffset now = timeProvider.GetUtcNow();
        lock (_lock)
        {
            if (_origins.TryGetValue(KeyOf(uri), out Entry entry))
            {
                _origins[KeyOf(uri)] = entry.Again(transport, now);
                return;
            }

            if (_origins.Count >= Capacity)
            {
                _origins.Remove(_origins.MinBy(static origin => origin.Value.Until).Key);
            }

            _origins[KeyOf(uri)] = new Entry(transport, now + FirstLifetime, FirstLifetime);
        }
    }

    public void Forget(Uri uri)
    {
        lock (_lock)
        {
            _origins.Remove(KeyOf(uri));
        }
    }

    /// <summary>Null if nothing is known.</summary>
    public Transport? Find(Uri uri, TimeProvider timeProvider)
    {
        lock (_lock)
        {
            return _origins.TryGetValue(KeyOf(uri), out Entry found) && timeProvider.GetUtcNow() < found.Until ? found.Transport : null;
        }
    }

    private static (string Scheme, string Host, int Port) KeyOf(Uri uri) => (uri.Scheme, uri.IdnHost, uri.Port);

    /// <param name="Transport">What got through.</param>
    /// <param name="Until">It is tried first until then.</param>
    /// <param name="Lifetime">How long it is, or was, remembered.</param>
    private readonly record struct Entry(Transport Transport, DateTimeOffset Until, TimeSpan Lifetime)
    {
        public Entry Again(Transport transport, DateTimeOffset now)
        {
            if (now < Until)
            {
                // Those that were under way together have seen one and the same failure.
                return this with { Transport = transport };
            }

            TimeSpan lifetime = now - Until > LongestLifetime ? FirstLifetime : Lifetime * 2 < LongestLifetime ? Lifetime * 2 : LongestLifetime;
            return new Entry(transport, now + lifetime, lifetime);
        }
    }
}
