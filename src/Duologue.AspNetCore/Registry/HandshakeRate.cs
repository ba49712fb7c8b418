using System.Net;
using System.Runtime.InteropServices;

namespace Duologue.AspNetCore;

/// <summary>
/// Limits how many opening handshakes are accepted in a second, in total and per address, each as a bucket that holds a second's worth. Thread-safe.
/// </summary>
/// <remarks>
/// A bucket is one number: the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371). So an address costs
/// an entry and no timer, and only for the second after its last handshake: <c>System.Threading.RateLimiting</c> would
/// keep an object per address for longer, and has a clock of its own.
/// </remarks>
internal sealed class HandshakeRate
{
    private const int FirstSweep = 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<AddressKey, long> _perAddress = [];
    private readonly TimeProvider _timeProvider;
    private readonly long _interval;
    private readonly long _addressInterval;
    private long _full;
    private int _sweepAt = FirstSweep;

    /// <param name="perSecond">The most in total; 0 for no limit.</param>
    /// <param name="perSecondPerAddress">The most of one address; 0 for no limit.</param>
    /// <param name="timeProvider">The clock.</param>
    public HandshakeRate(int perSecond, int perSecondPerAddress, TimeProvider timeProvider)
    {
        _timeProvider = timeProvider;
        _interval = IntervalOf(perSecond);
        _addressInterval = IntervalOf(perSecondPerAddress);
    }

    /// <summary>How many addresses are remembered.</summary>
    public int Addresses
    {
        get
        {
            lock (_lock)
            {
                return _perAddress.Count;
            }
        }
    }

    /// <summary>For how many addresses there is room at the moment.</summary>
    public int Capacity
    {
        get
        {
            lock (_lock)
            {
                return _perAddress.Capacity;
            }
        }
    }

    /// <summary>Counts a handshake, or says which limit it passes.</summary>
    /// <param name="address">The peer's address; null on a Unix socket, where no address is counted.</param>
    public RefusalReason? TryTake(IPAddress? address)
    {
        if (_interval == 0 && _addressInterval == 0)
        {
            return null;
        }

        lock (_lock)
        {
            long now = _timeProvider.GetTimestamp();

            // The address first: what one sends too much of takes nothing from all.
            if (_addressInterval != 0 && address is not null && !TryTakeOf(AddressKey.From(address), now))
            {
                return RefusalReason.AddressRate;
            }

            return _interval == 0 || TryTake(ref _full, _interval, now) ? null : RefusalReason.HandshakeRate;
        }
    }

    private bool TryTakeOf(AddressKey key, long now)
    {
        if (_perAddress.Count >= _sweepAt)
        {
            Sweep(now);
        }

        return TryTake(ref CollectionsMarshal.GetValueRefOrAddDefault(_perAddress, key, out _), _addressInterval, now);
    }

    private bool TryTake(ref long full, long interval, long now)
    {
        long next = Math.Max(full, now) + interval;
        if (next - now > Math.Max(interval, _timeProvider.TimestampFrequency))
        {
            return false;
        }

        full = next;
        return true;
    }

    // A bucket that is full again is as good as none. Each sweep waits for as many newcomers as the last one left, so that a
    // handshake pays for a small and constant part of it.
    private void Sweep(long now)
    {
        foreach ((AddressKey key, long full) in _perAddress)
        {
            if (full <= now)
            {
                _perAddress.Remove(key);
            }
        }

        // A burst of addresses must not leave its table behind.
        if (_perAddress.Capacity > FirstSweep && _perAddress.Count < _perAddress.Capacity / 4)
        {
            _perAddress.TrimExcess();
        }

        _sweepAt = Math.Max(FirstSweep, _perAddress.Count * 2);
    }

    private long IntervalOf(int perSecond) => perSecond == 0 ? 0 : Math.Max(1, _timeProvider.TimestampFrequency / perSecond);
}
