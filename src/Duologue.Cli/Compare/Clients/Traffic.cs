namespace Duologue.Cli.Compare.Clients;

/// <summary>What went over the sockets of all clients of one way.</summary>
internal sealed class Traffic
{
    private long _requests;
    private long _bytes;
    private int _open;

    /// <summary>The connections that are open now.</summary>
    public int Open => Volatile.Read(ref _open);

    public TrafficCount Count() => new(Interlocked.Read(ref _requests), Interlocked.Read(ref _bytes));

    public void AddRequest() => Interlocked.Increment(ref _requests);

    public void AddBytes(int count) => Interlocked.Add(ref _bytes, count);

    public void AddConnection(int difference) => Interlocked.Add(ref _open, difference);
}

/// <summary>Requests and bytes so far, both directions together, heads and frame headers included.</summary>
internal readonly record struct TrafficCount(long Requests, long Bytes)
{
    public static TrafficCount operator -(TrafficCount left, TrafficCount right) => new(left.Requests - right.Requests, left.Bytes - right.Bytes);
}
