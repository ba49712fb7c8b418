using System.Runtime.CompilerServices;
using Duologue.Peer;
using Duologue.Protocol;
using Microsoft.Extensions.Logging;

namespace Duologue;

// Flushing: one thread at a time hands the output to the carrier, and goes on until nothing waits. While it does, nobody
// else touches the output.
internal sealed partial class WebSocketConnection
{
    /// <summary>Within a batch, output that has grown to this leaves at once: waiting longer saves no system call.</summary>
    private const int CorkLimit = 64 * 1024;

    // Guarded by Gate. True also before the carrier is there: what is sent so early waits in the outbox like behind a busy one.
    private bool _flushing = true;

    // Bytes put into the carrier's output, and those of them that the carrier has taken.
    private long _written;
    private long _taken;

    // The thread that handles a batch of received bytes: what it sends leaves when the batch ends. 0 between batches.
    private int _corkThread;

    private bool IsCorked => _corkThread == Environment.CurrentManagedThreadId;

    /// <summary>
    /// Whether the caller, under the lock, becomes the one who flushes. The thread that handles a batch leaves it to the batch's end.
    /// </summary>
    private bool TryBeginFlush()
    {
        if (_flushing || (IsCorked && _written - _taken < CorkLimit) || TryPassOn())
        {
            return false;
        }

        _flushing = true;
        return true;
    }

    /// <summary>
    /// Under the lock, with no flush under way: lets the carrier take what was written there and then, where no more would be to be done after a flush.
    /// </summary>
    private bool TryPassOn()
    {
        bool isPlain = _rare is not { } rare
            || (rare.Outbox.Count == 0 && rare.PendingPong is null && rare.PendingPing == 0 && rare.FlushedSource is null && rare.CloseMark == 0 && rare.Ending is null);
        if (!isPlain || _halfClosed || Options.SendQueuePolicy == SendQueuePolicy.Wait || !_carrier!.TryTake())
        {
            return false;
        }

        _taken = _written;
        return true;
    }

    /// <summary>Flushes until nothing waits or the carrier is busy. The caller has set _flushing and holds no lock.</summary>
    private void Flush()
    {
        while (true)
        {
            QueuedFrame next;
            long mark;
            lock (Gate)
            {
                next = Refill();
                mark = _written;
            }

            if (next.ToCompress is { } opcode)
            {
                CompressInto(next.Bytes.Span[^next.PayloadLength..], opcode, fin: true);
                next.Release();
                continue;
            }

#pragma warning disable CA2012 // The awaiter is consumed exactly once: below, or in OnFlushed.
            ConfiguredValueTaskAwaitable<bool>.ConfiguredValueTaskAwaiter awaiter =
                _carrier!.FlushAsync().ConfigureAwait(false).GetAwaiter();
#pragma warning restore CA2012
            if (!awaiter.IsCompleted)
            {
                Rarities rare = Rare;
                rare.FlushMark = mark;
                rare.FlushAwaiter = awaiter;
                WatchFlush();
                awaiter.UnsafeOnCompleted(rare.OnFlushedAction ??= OnFlushed);
                return;
            }

            if (!EndFlush(awaiter.GetResult(), mark))
            {
                return;
            }
        }
    }

    /// <summary>Waits, for so long at most, until a flush that is under way is over. Never throws.</summary>
    public async Task WaitForFlushAsync(TimeSpan limit)
    {
        Task flushed;
        lock (Gate)
        {
            if (!_flushing || Ending is not null)
            {
                return;
            }

            flushed = (FlushedSource ??= NewSource()).Task;
        }

        await flushed.WaitAsync(limit, Options.TimeProvider).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void OnFlushed()
    {
        Rarities rare = _rare!;
        ConfiguredValueTaskAwaitable<bool>.ConfiguredValueTaskAwaiter awaiter = rare.FlushAwaiter;
        rare.FlushAwaiter = default;
        if (EndFlush(awaiter.GetResult(), rare.FlushMark))
        {
            Flush();
        }
    }

    /// <summary>Moves what waited into the output: control frames first, then the outbox, in order. Under the lock.</summary>
    /// <returns>The next frame, if it is still to be compressed, which takes too long for the lock; else none.</returns>
    private QueuedFrame Refill()
    {
        if (Ending is not null)
        {
            // The carrier's output may be completed by now.
            PendingPong = null;
            PendingPing = 0;
            return default;
        }

        if (PendingPong is { } pong)
        {
            PendingPong = null;
            WriteControl(Opcode.Pong, pong);
        }

        if (PendingPing != 0)
        {
            WritePing(PendingPing);
            PendingPing = 0;
        }

        while (MayRefill && _written - _taken < CorkLimit)
        {
            QueuedFrame frame = Rare.Outbox.Take();
            Ahead = Math.Max(0, Ahead - 1);
            if (frame.ToCompress is not null)
            {
                Compressing = frame.Bytes.Length;
                return frame;
            }

            WriteFrame(frame);
            _written += frame.Bytes.Length;
            frame.Release();
            if (_closeQueued && Waiting == 0)
            {
                CloseMark = _written;
            }
        }

        return default;
    }

    /// <returns>Whether there is more to flush; then _flushing is still the caller's.</returns>
    private bool EndFlush(bool alive, long mark)
    {
        bool again;
        bool closeTaken;
        TaskCompletionSource? flushed;
        lock (Gate)
        {
            FlushSince = 0;
            if (alive)
            {
                _taken = mark;
            }

            again = alive && (_written > _taken || PendingPong is not null || PendingPing != 0 || MayRefill);
            _flushing = again;
            closeTaken = alive && CloseMark != 0 && _taken >= CloseMark;
            flushed = FlushedSource;
            FlushedSource = null;
        }

        flushed?.TrySetResult();
        if (Options.SendQueuePolicy == SendQueuePolicy.Wait)
        {
            ResumeIfPaused();
        }

        if (!alive)
        {
            End(CloseCause.ConnectionLost);

            // The other direction may still work, but half a line is none: a peer that only stopped reading would keep the carrier waiting for ever.
            _carrier!.Abort();
        }
        else if (closeTaken)
        {
            OnCloseTaken();
        }
        else if (_halfClosed && !again)
        {
            EndIfAnswered();
        }

        return again;
    }

    private void WriteControl(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        FrameWriter.Write(_carrier!.Output, opcode, true, payload, Role);
        _written += FrameWriter.SizeOf(payload.Length, Role);
    }

    private void ReportDropped(DropReason reason, int count)
    {
        if (reason == DropReason.Unreceived)
        {
            Rare.HasCut = true;
        }

        _setup.Observer.MessagesDropped(this, reason, count);
        if (reason == DropReason.Closed || !_setup.Logger.IsEnabled(LogLevel.Warning))
        {
            return;
        }

        // A stuck peer drops thousands: the log gets the first of a connection, the counters get all.
        if (!Interlocked.Exchange(ref Rare.DropLogged, true))
        {
            _setup.Logger.MessagesDropped(Id, count, reason);
        }
    }
}
