using System.Diagnostics;
using HdrHistogram;

namespace Duologue.Faults;

/// <summary>
/// Well-behaved clients that talk all the while: each says numbered messages at an even pace, hears their echoes and the news, and
/// misses none.
/// </summary>
/// <remarks>
/// The time of a round trip begins when the message was due, and not when it was sent: a server, or a machine, that holds everybody up is not let off
/// the messages that could not be said meanwhile.
/// </remarks>
internal sealed class Crowd : IAsyncDisposable
{
    private const int JoiningAtOnce = 16;
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(5);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Recorder _latencies;
    private readonly Member[] _members;
    private readonly double _perSecond;
    private readonly Task _talking;

    private Crowd(Member[] members, Recorder latencies, double perSecond)
    {
        _members = members;
        _latencies = latencies;
        _perSecond = perSecond;
        _talking = Task.Run(TalkAsync);
    }

    /// <summary>Messages said so far, by all.</summary>
    public long Said => _members.Sum(member => member.Said);

    /// <summary>News heard so far, by all.</summary>
    public long News => _members.Sum(member => member.News);

    /// <summary>Members whose connection has ended, with how.</summary>
    public IEnumerable<CloseInfo> Ended => _members.Select(member => member.Ended).OfType<CloseInfo>();

    public static async Task<Crowd> StartAsync(Uri server, Plan plan)
    {
        Recorder latencies = HistogramFactory.With64BitBucketSize()
            .WithValuesFrom(1)
            .WithValuesUpTo(TimeSpan.FromMinutes(2).Ticks)
            .WithPrecisionOf(3)
            .WithThreadSafeWrites()
            .WithThreadSafeReads()
            .Create();
        var members = new Member[plan.Crowd];
        var url = new UriBuilder(new Uri(server, FaultServer.Crowd)) { Scheme = "ws" }.Uri;

        // Below the server's rate for one address, which is theirs.
        TimeSpan apart = TimeSpan.FromSeconds(1.1 / plan.HandshakesPerSecondPerAddress);
        long start = Stopwatch.GetTimestamp();
        await Parallel.ForAsync(0, members.Length, new ParallelOptions { MaxDegreeOfParallelism = JoiningAtOnce }, async (i, cancel) =>
        {
            TimeSpan wait = (apart * i) - Stopwatch.GetElapsedTime(start);
            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, cancel);
            }

            members[i] = new Member(await JoinAsync(url, cancel), latencies);
        });
        return new Crowd(members, latencies, plan.Pace * plan.Crowd);
    }

    // As a well-behaved client does: told that it is one too many at the moment, it comes again.
    private static async Task<Connection> JoinAsync(Uri url, CancellationToken cancel)
    {
        while (true)
        {
            try
            {
                return await Connection.ConnectAsync(url, cancel);
            }
            catch (HandshakeException e) when (e.StatusCode == System.Net.HttpStatusCode.TooManyRequests)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), cancel);
            }
        }
    }

    /// <summary>The round trips since the last call.</summary>
    public HistogramBase TakeLatencies() => _latencies.GetIntervalHistogram();

    /// <summary>Waits until everything that was said is answered, at most so long.</summary>
    /// <returns>How many messages were lost so far: not answered, answered out of order, or news that were passed over.</returns>
    public async Task<long> CatchUpAsync(TimeSpan patience)
    {
        long[] said = [.. _members.Select(member => member.Said)];
        long start = Stopwatch.GetTimestamp();
        while (_members.Index().Any(m => m.Item.Heard < said[m.Index] && m.Item.Ended is null) && Stopwatch.GetElapsedTime(start) < patience)
        {
            await Task.Delay(Tick);
        }

        return _members.Index().Sum(m => Math.Max(0, said[m.Index] - m.Item.Heard) + m.Item.Missed);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _talking;
        await Task.WhenAll(_members.Select(member => member.LeaveAsync()));
        _stopping.Dispose();
    }

    // One pace for all, evenly spread: no bursts that would be the crowd's own doing.
    private async Task TalkAsync()
    {
        using var timer = new PeriodicTimer(Tick);
        long start = Stopwatch.GetTimestamp();
        long said = 0;
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                long due = (long)(Stopwatch.GetElapsedTime(start).TotalSeconds * _perSecond);
                for (; said < due; said++)
                {
                    _members[said % _members.Length].Say(start + (long)(said / _perSecond * Stopwatch.Frequency));
                }
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // All is said.
        }
    }
}
