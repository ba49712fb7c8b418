using Duologue.EventLoop.Buffers;
using Duologue.EventLoop.Loops;

namespace Duologue.EventLoop.Detached;

// Output: where frames are written, and how those of other threads come to the loop.
internal sealed partial class EventLoopCarrier
{
    private Block Reserve(int sizeHint)
    {
        int count = Math.Max(1, sizeHint);
        _places = MayPlace();
        if (_places)
        {
            // What other threads handed over goes before.
            TakeHandedOver();
            return _outgoing.Reserve(count, Pool, _writesLarge, (_state & CarrierState.Gathering) != 0);
        }

        if (_written is { } block && block.Room >= count)
        {
            return block;
        }

        int size = _written is not null || _writesLarge ? BlockPool.Large : BlockPool.Small;
        Block next = Pool.Rent(Math.Max(count, size));
        next.Next = next;
        Volatile.Write(ref _written, OutgoingBlocks.Join(_written, next));
        return next;
    }

    /// <summary>Whether the writer is the loop, with nothing written elsewhere before it.</summary>
    private bool MayPlace() => _written is null && !_dead && _socket.Loop.IsCurrentThread;

    private ValueTask<bool> Result() =>
        _dead ? new(false) : Unsent <= HighMark ? new(true) : WaitForSocket();

    /// <summary>Takes what was written apart since the last flush.</summary>
    private Block? TakeWritten() => Volatile.Read(ref _written) is null ? null : Interlocked.Exchange(ref _written, null);

    private void HandOver(Block? written)
    {
        if (written is null)
        {
            _socket.Post((int)SocketRequest.Send);
            return;
        }

        // One flush at a time puts something here, and only the loop takes it. What the loop has not fetched yet goes first.
        Block? before = Interlocked.Exchange(ref _handedOver, null);
        Interlocked.Exchange(ref _handedOver, OutgoingBlocks.Join(before, written));
        if (_dead)
        {
            // The loop may have looked before it was there.
            OutgoingBlocks.Release(Interlocked.Exchange(ref _handedOver, null), Pool);
            return;
        }

        _socket.Post((int)SocketRequest.Send);
    }

    private void TakeHandedOver()
    {
        if (HasHandedOver && Interlocked.Exchange(ref _handedOver, null) is { } written)
        {
            _outgoing.Append(written, Pool);
        }
    }

    private ValueTask<bool> WaitForSocket()
    {
        Rarities rare = Rare;
        FlushSource source = rare.Flush ??= new FlushSource();
        short token = source.Reset();

        // Announce the wait before looking again: the loop sees it, or we see what the loop has sent.
        Interlocked.Exchange(ref rare.FlushWaits, 1);
        if ((Unsent <= LowMark || _dead) && Interlocked.Exchange(ref rare.FlushWaits, 0) == 1)
        {
            return new(!_dead);
        }

        return new(source, token);
    }

    private void CompleteFlush()
    {
        if (Volatile.Read(ref _rare) is { } rare && Volatile.Read(ref rare.FlushWaits) != 0 && Interlocked.Exchange(ref rare.FlushWaits, 0) == 1)
        {
            rare.Flush!.SetResult(!_dead);
        }
    }
}
