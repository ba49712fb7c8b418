using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Duologue.Peer;

/// <summary>
/// The lock of a connection: entered by one interlocked operation and left by a plain write, where <see cref="Monitor"/> needs two of the former and calls into the
/// runtime, at each message to each receiver. Whoever has to wait spins, then sleeps. A thread may enter again. A mutable struct.
/// </summary>
internal struct Gate
{
    /// <summary>Who sleeps looks by himself after so many milliseconds: see <see cref="Exit"/>.</summary>
    private const int Nap = 2;

    // The managed id of the thread that is inside; 0 for none.
    private int _inside;

    // How often that thread has entered again.
    private ushort _again;

    // How many sleep. Written under the lock of what they sleep on.
    private ushort _asleep;

    /// <summary>The thread that is inside: for whoever is, the current one, for less than to ask for it costs.</summary>
    public readonly int Inside => _inside;

    /// <summary>Waits until no other thread is inside.</summary>
    /// <param name="lot">What to sleep on, the same for each caller. Its own lock is not held by the caller.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Enter(object lot)
    {
        int me = Environment.CurrentManagedThreadId;
        if (!TryEnter(me))
        {
            EnterSlowly(me, lot);
        }
    }

    /// <summary>The counterpart of one <see cref="Enter"/>, by the same thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Exit(object lot)
    {
        Debug.Assert(_inside == Environment.CurrentManagedThreadId, "Who leaves is inside.");
        if (_again != 0)
        {
            _again--;
            return;
        }

        // Without a barrier between the two, whoever goes to sleep at this moment may be overlooked, and see us inside still: he naps, and looks again.
        Volatile.Write(ref _inside, 0);
        if (Volatile.Read(ref _asleep) != 0)
        {
            WakeOne(lot);
        }
    }

    private bool TryEnter(int me) => Interlocked.CompareExchange(ref _inside, me, 0) == 0;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void EnterSlowly(int me, object lot)
    {
        // Only this thread writes its own number there.
        if (Volatile.Read(ref _inside) == me)
        {
            _again = checked((ushort)(_again + 1));
            return;
        }

        Debug.Assert(!Monitor.IsEntered(lot), "To sleep on it would let go of what it guards.");
        var spin = new SpinWait();
        while (!spin.NextSpinWillYield)
        {
            spin.SpinOnce();
            if (Volatile.Read(ref _inside) == 0 && TryEnter(me))
            {
                return;
            }
        }

        lock (lot)
        {
            _asleep++;
            try
            {
                while (!TryEnter(me))
                {
                    Monitor.Wait(lot, Nap);
                }
            }
            finally
            {
                _asleep--;
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void WakeOne(object lot)
    {
        lock (lot)
        {
            Monitor.Pulse(lot);
        }
    }
}
