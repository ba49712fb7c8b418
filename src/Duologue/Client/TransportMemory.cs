namespace Duologue.Client;

/// <summary>
/// Which transport got through to an origin where the preferred one did not, so that the next connect call does not wait for the same failure. For a
/// while only: networks change. Thread-safe.
/// </summary>
internal sealed class TransportMemory
{
    private const int Capacity = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Scheme, string Host, int Port), (Transport Transport, long Until)> _origins = [];

    /// <summary>The process's: what is remembered is about the network, which connections have in common.</summary>
    public static TransportMemory Shared { get; } = new();

    /// <summary>How long something is remembered.</summary>
    public static TimeSpan Lifetime { get; } = TimeSpan.FromMinutes(10);

    public void Remember(Uri uri, Transport transport, TimeProvider timeProvider)
    {
        long until = timeProvider.GetUtcNow().Add(Lifetime).Ticks;
        lock (_lock)
        {
            if (_origins.Count >= Capacity && !_origins.ContainsKey(KeyOf(uri)))
            {
                _origins.Remove(_origins.MinBy(static origin => origin.Value.Until).Key);
            }

            _origins[KeyOf(uri)] = (transport, until);
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
            return _origins.TryGetValue(KeyOf(uri), out (Transport Transport, long Until) found) && timeProvider.GetUtcNow().Ticks < found.Until
                ? found.Transport
                : null;
        }
    }

    private static (string Scheme, string Host, int Port) KeyOf(Uri uri) => (uri.Scheme, uri.IdnHost, uri.Port);
}
