using Duologue.AspNetCore;

namespace Duologue.Redis;

/// <summary>
/// When a node may hand out what it has heard of. A receiver is a system call of its own, however many messages leave in it: so a node that delivers much lets what it hears of gather for a
/// moment, as a network card does before it interrupts. Each delivery holds the next hand-out back by a little, counted from the last one's beginning: after few there is no wait, and whoever comes after a while
/// finds none. Where gathering brings nothing together it is left alone for a while. Not thread-safe.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="limit">The longest wait; zero for none.</param>
internal sealed class FanoutPace(TimeProvider time, TimeSpan limit)
{
    /// <summary>Less is not waited for: a timer has no finer steps.</summary>
    public static readonly TimeSpan Least = TimeSpan.FromMilliseconds(1);

    /// <summary>After so many waits in a row that were for nothing nothing waits for a while. One is not enough to judge by: what is published in answer to what was delivered comes together only when that has.</summary>
    public const int Patience = 8;

    /// <summary>For how long: little is lost then by trying again.</summary>
    public static readonly TimeSpan Rest = TimeSpan.FromSeconds(1);

    /// <summary>By how much a delivery holds the next hand-out back: some times what it costs a processor. So gathering begins where deliveries take about a quarter of the processors.</summary>
    public static readonly TimeSpan PerDelivery = TimeSpan.FromMicroseconds(20) / Environment.ProcessorCount;

    // A wait was worth it if at least one in so many deliveries left together with another.
    private const int Worth = 4;

    /// <summary>What is handed out within this need not change hands for it: that costs as much by itself, where all processors are busy.</summary>
    public static readonly TimeSpan Quick = TimeSpan.FromMicroseconds(250);

    private long _lastBegan;
    private TimeSpan _pause;
    private TimeSpan _wait;
    private int _forNothing;
    private long _restsSince;
    private bool _rests;

    /// <summary>Whether the last hand-out was quick, and so probably the next is.</summary>
    public bool IsQuick { get; private set; } = true;

    /// <summary>Says how long the next hand-out waits; zero if it need not. It is taken that it does.</summary>
    public TimeSpan Begin()
    {
        TimeSpan left = _pause == TimeSpan.Zero || _rests ? TimeSpan.Zero : _pause - time.GetElapsedTime(_lastBegan);
        return _wait = left >= Least ? left : TimeSpan.Zero;
    }

    /// <summary>Takes account of a hand-out.</summary>
    /// <param name="began">When it began, in the clock's ticks.</param>
    /// <param name="reach">Whom it reached.</param>
    public void End(long began, FanoutReach reach)
    {
        IsQuick = time.GetElapsedTime(began) <= Quick;
        if (_wait > TimeSpan.Zero && _wait >= limit / 2)
        {
            _forNothing = (long)reach.Together * Worth < reach.Deliveries ? _forNothing + 1 : 0;
        }

        if (_forNothing == Patience)
        {
            (_rests, _restsSince, _forNothing) = (true, began, 0);
        }
        else if (_rests && time.GetElapsedTime(_restsSince, began) >= Rest)
        {
            _rests = false;
        }

        // What was left of the last pause counts on: where more was there than leaves at a time, it leaves in several hand-outs.
        TimeSpan before = _pause - time.GetElapsedTime(_lastBegan, began);
        TimeSpan pause = (before > TimeSpan.Zero ? before : TimeSpan.Zero) + (PerDelivery * reach.Deliveries);
        (_lastBegan, _pause, _wait) = (began, pause < limit ? pause : limit, TimeSpan.Zero);
    }
}
