using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Loops;

/// <summary>
/// File descriptors that are held back. When accepting has taken all others they are let go of, and accepting rests: the runtime then still has some to load an
/// assembly or to write a log, without which it ends the process. Accepting goes on when they are all back. Thread-safe; its lock is a leaf.
/// </summary>
internal sealed class DescriptorReserve : IDisposable
{
    private const int Size = 32;

    private readonly Lock _lock = new();
    private readonly Stack<int> _held = new(Size);
    private bool _disposed;

    public DescriptorReserve() => TryFill();

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

    /// <summary>Takes back what is free. True if the reserve is whole.</summary>
    public bool TryFill()
    {
        lock (_lock)
        {
            while (_held.Count < Size && !_disposed)
            {
                int descriptor = Libc.EventDescriptor(0, Constants.EventDescriptorCloseOnExec);
                if (descriptor < 0)
                {
                    return false;
                }

                _held.Push(descriptor);
            }

            return true;
        }
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
