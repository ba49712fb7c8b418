using Duologue.EventLoop.Buffers;
using Duologue.EventLoop.Loops;

namespace Duologue.EventLoop.Detached;

// Output: where frames are written, and how those of other threads come to the loop.
internal sealed partial class EventLoopCarrier
{
    private Block Reserve(int sizeHint)
    {
        int count = Math.Max(1, sizeHint);
        _places = _offLoop?.Written is null && !_dead && _socket.Loop.IsCurrentThread;
        if (_places)
        {
            // What other threads handed over goes before.
            TakeHandedOver();
            return _current = _outgoing.Reserve(count, Pool, _writesLarge, (_state & CarrierState.Gathering) != 0);
        }

        OffLoop apart = Apart;
        if (apart.Writing is { } block && block.Room >= count)
        {
            return _current = block;
        }

        int size = apart.Writing is not null || _writesLarge ? BlockPool.Large : BlockPool.Small;
        Block next = Pool.Rent(Math.Max(count, size));
        if (apart.Writing is { } full)
        {
            full.Next = next;
        }
        else
        {
            Volatile.Write(ref apart.Written, next);
        }

        apart.Writing = next;
        return _current = next;
    }

    private ValueTask<bool> Result() =>
        _dead ? new(false) : Unsent <= HighMark ? new(true) : WaitForSocket();

    /// <summary>Takes what was written apart since the last flush.</summary>
    private Block? TakeWritten()
    {
        if (Volatile.Read(ref _offLoop) is not { } apart)
        {
            return null;
        }

        Block? chain = Interlocked.Exchange(ref apart.Written, null);
        apart.Writing = null;
        return chain;
    }

    private void HandOver(Block? chain)
    {
        if (chain is null)
        {
            _socket.Post((int)SocketRequest.Send);
            return;
        }

        // One flush at a time puts; only the loop takes. What it has not fetched yet goes before.
        OffLoop apart = Apart;
        if (Interlocked.Exchange(ref apart.HandedOver, null) is { } before)
        {
            Block last = before;
            while (last.Next is { } next)
            {
                last = next;
            }

            last.Next = chain;
            chain = before;
        }

        Interlocked.Exchange(ref apart.HandedOver, chain);
        if (_dead)
        {
            // The loop may have looked before it was there.
            OutgoingBlocks.Release(Interlocked.Exchange(ref apart.HandedOver, null), Pool);
            return;
        }

        _socket.Post((int)SocketRequest.Send);
    }

    private void TakeHandedOver()
    {
        if (HasHandedOver && Interlocked.Exchange(ref _offLoop!.HandedOver, null) is { } chain)
        {
            _outgoing.Append(chain, Pool);
        }
    }

    private ValueTask<bool> WaitForSocket()
    {
        OffLoop apart = Apart;
        FlushSource source = apart.Flush ??= new FlushSource();
        short token = source.Reset();

        // Announce the wait before looking again: the loop sees it, or we see what the loop has sent.
        Interlocked.Exchange(ref apart.FlushWaits, 1);
        if ((Unsent <= LowMark || _dead) && Interlocked.Exchange(ref apart.FlushWaits, 0) == 1)
        {
            return new(!_dead);
        }

        return new(source, token);
    }

    private void CompleteFlush()
    {
        if (Volatile.Read(ref _offLoop) is { } apart && Volatile.Read(ref apart.FlushWaits) != 0 && Interlocked.Exchange(ref apart.FlushWaits, 0) == 1)
        {
            apart.Flush!.SetResult(!_dead);
        }
    }
}
