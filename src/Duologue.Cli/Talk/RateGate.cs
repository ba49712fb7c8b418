namespace Duologue.Cli.Talk;

/// <summary>A bucket of <see cref="TalkLimits.Burst"/> that fills by <see cref="TalkLimits.PerSecond"/> each second. Used by one connection's handler, never twice at a time.</summary>
internal sealed class RateGate(TimeProvider timeProvider)
{
    private double _tokens = TalkLimits.Burst;
    private long _filled = timeProvider.GetTimestamp();
    private int _refusals;

    /// <summary>Whether refusals have come so often that the peer is not going to learn.</summary>
    public bool IsExhausted => _refusals >= TalkLimits.Patience;

    public bool TryPass()
    {
        long now = timeProvider.GetTimestamp();
        _tokens = Math.Min(TalkLimits.Burst, _tokens + (timeProvider.GetElapsedTime(_filled, now).TotalSeconds * TalkLimits.PerSecond));
        _filled = now;
        if (_tokens < 1)
        {
            _refusals++;
            return false;
        }

        _tokens--;
        _refusals = 0;
        return true;
    }
}
