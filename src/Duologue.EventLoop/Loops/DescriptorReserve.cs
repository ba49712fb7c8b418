using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Loops;

/// <summary>
/// File descriptors that are held back. When accepting has taken all others, accepting rests and they are let go of: the runtime then still has some to load an
/// assembly or to write a log, without which it ends the process. Accepting goes on when they are all back. One for all loops. Thread-safe; its lock is a leaf.
/// </summary>
internal sealed class DescriptorReserve : IDisposable
{
    private const int Size = 32;

    // In milliseconds. So long a loop may take to come to rest: one that a handler blocks accepts nothing anyway, and must not keep the others. And so long what was let go of stays so: for those who need it.
    private const int Patience = 1_000;
    private const int Respite = 100;

    private readonly Lock _lock = new();
    private readonly Stack<int> _held = new(Size);
    private readonly List<Loop> _loops = [];
    // How many loops have not come to rest yet, in which round, and since when. Guarded by the lock.
    private int _restless;
    private int _round;
    private long _restsSince;

    // When the reserve was let go of last, in the clock of Environment.TickCount64.
    private long _letGoAt = long.MinValue / 2;
    private bool _disposed;

    // Where there are too few from the beginning, some are better than none.
    public DescriptorReserve() => FillUp(isWhole: false);

    /// <summary>How many are held back.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _held.Count;
            }
        }
    }

    /// <summary>Adds a loop that accepts. Before any of them starts.</summary>
    public void Join(Loop loop) => _loops.Add(loop);

    /// <summary>Descriptors have run out: lets go of them as soon as no loop accepts any more, whose next connections would have them. False if there is nothing to let go of.</summary>
    public bool TryLetGo(int error)
    {
        int round;
        lock (_lock)
        {
            if (_restless > 0 || _held.Count == 0 || _loops.Count == 0)
            {
                return _restless > 0;
            }

            _restless = _loops.Count;
            round = ++_round;
            _restsSince = Environment.TickCount64;
        }

        _loops.ForEach(loop => loop.Post(() => loop.RestAccepting(round, error)));
        return true;
    }

    /// <summary>One of the loops has come to rest.</summary>
    public void OnRested(int round)
    {
        lock (_lock)
        {
            if (round != _round || _restless == 0 || --_restless > 0)
            {
                return;
            }

            LetGo();
        }

        _loops.ForEach(static loop => loop.Post(loop.TellPauses));
    }

    /// <summary>Lets go of them.</summary>
    public void Release()
    {
        lock (_lock)
        {
            while (_held.TryPop(out int descriptor))
            {
                _ = Libc.Close(descriptor);
            }
        }
    }

    /// <summary>Takes all of them back, or none where there are too few. True if the reserve is whole, and to stay so.</summary>
    public bool TryFill()
    {
        long now = Environment.TickCount64;
        lock (_lock)
        {
            if (_restless == 0)
            {
                return now - _letGoAt >= Respite && FillUp(isWhole: true);
            }

            if (now - _restsSince < Patience)
            {
                return false;
            }

            LetGo();
        }

        _loops.ForEach(static loop => loop.Post(loop.TellPauses));
        return false;
    }

    // With the lock held, as what follows.
    private void LetGo()
    {
        _restless = 0;
        _letGoAt = Environment.TickCount64;
        Release();
    }

    private bool FillUp(bool isWhole)
    {
        while (_held.Count < Size && !_disposed)
        {
            int descriptor = Libc.EventDescriptor(0, Constants.EventDescriptorCloseOnExec);
            if (descriptor < 0)
            {
                if (isWhole)
                {
                    // Too few to accept with are of use to others: as long as accepting rests, whoever needs one is to find one.
                    Release();
                }

                return false;
            }

            _held.Push(descriptor);
        }

        return true;
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
        }

        Release();
    }
}
