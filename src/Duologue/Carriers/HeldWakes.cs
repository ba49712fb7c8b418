namespace Duologue.Carriers;

/// <summary>
/// The wake-ups that a thread owes while it gives something to many. A thread that is woken by the first of what it is given may run at once, before the second is there, and sleep again: each of them costs a
/// system call and two switches of threads. Held back until all have theirs it is one.
/// </summary>
/// <remarks>Whoever is owed a wake-up sleeps until then, for others too: nothing that may wait runs under a <see cref="Hold"/>.</remarks>
internal static class HeldWakes
{
    // More are woken at once: nothing is allocated for a wake-up, which must not fail.
    private const int Most = 64;

    [ThreadStatic]
    private static List<ISleeper>? _owed;

    [ThreadStatic]
    private static bool _isHolding;

    /// <summary>From here until the end of the hold this thread wakes nobody. A hold within another pays at its end what both owe.</summary>
    public static Hold Begin()
    {
        _owed ??= new List<ISleeper>(Most);
        bool isOuter = !_isHolding;
        _isHolding = true;
        return new Hold(isOuter);
    }

    /// <summary>Takes a wake-up that this thread owes; false if it is to wake at once.</summary>
    public static bool TryTake(ISleeper sleeper)
    {
        if (!_isHolding || _owed!.Count == Most)
        {
            return false;
        }

        _owed.Add(sleeper);
        return true;
    }

    /// <summary>Wakes those whom this thread owes it. Within a hold, too: they need not wait for all the rest of many.</summary>
    public static void Pay()
    {
        List<ISleeper> owed = _owed!;
        foreach (ISleeper sleeper in owed)
        {
            sleeper.Wake();
        }

        owed.Clear();
    }

    /// <summary>What is held back by one thread, within one method.</summary>
    /// <param name="isOuter">Whether no other is around it.</param>
    public readonly ref struct Hold(bool isOuter) : IDisposable
    {
        public void Dispose()
        {
            Pay();
            if (isOuter)
            {
                _isHolding = false;
            }
        }
    }
}

/// <summary>A thread that sleeps until it is brought something.</summary>
internal interface ISleeper
{
    /// <summary>Wakes it. Any thread; neither waits nor throws.</summary>
    void Wake();
}
