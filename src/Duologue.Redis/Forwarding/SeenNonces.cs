namespace Duologue.Redis;

/// <summary>
/// The numbers of marks that were used, for as long as a mark can be good: each is good once. Only what a node has made comes here, so that there are as many as it forwards in that time. Thread-safe.
/// </summary>
internal sealed class SeenNonces(TimeProvider time)
{
    // From as far ahead as a mark may be, to as old as one may be.
    private static readonly TimeSpan Span = ForwardMark.Tolerance * 2;

    private readonly Lock _lock = new();
    private HashSet<long> _current = [];
    private HashSet<long> _before = [];
    private long _since = time.GetTimestamp();

    /// <summary>False if it was seen before.</summary>
    public bool TryAdd(long nonce)
    {
        lock (_lock)
        {
            TimeSpan age = time.GetElapsedTime(_since);
            if (age > Span)
            {
                (_before, _current, _since) = (age > Span * 2 ? [] : _current, [], time.GetTimestamp());
            }

            return !_before.Contains(nonce) && _current.Add(nonce);
        }
    }
}
