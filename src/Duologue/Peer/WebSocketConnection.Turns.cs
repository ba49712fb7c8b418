using Duologue.Protocol;

namespace Duologue;

// Sending in turn: who must wait for room goes one after the other, whole or in fragments, behind what waited before.
internal sealed partial class WebSocketConnection
{
    /// <summary>What a message larger than the queue leaves in.</summary>
    private const int PieceSize = 64 * 1024;

    // The close and the end each add so many places, so that there are three times as many at most.
    private const int Everybody = 1 << 24;

    private async ValueTask SendInTurnAsync(ReadOnlyMemory<byte> data, Opcode opcode, int size, bool compress, CancellationToken cancellationToken)
    {
        SemaphoreSlim turn = Turn();
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        long mark;
        if (size <= Options.SendQueueLimit)
        {
            try
            {
                mark = await WriteFragmentAsync(opcode, true, compress, data, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                turn.Release();
            }
        }
        else
        {
            mark = await SendInPiecesAsync(data, opcode, compress, turn, cancellationToken).ConfigureAwait(false);
        }

        _setup.Observer.MessageSent(this, data.Length);
        await WaitUntilTakenAsync(mark, cancellationToken).ConfigureAwait(false);
    }

    private SemaphoreSlim Turn()
    {
        lock (Gate)
        {
            // Who comes first when nothing can be sent any more finds what those find who waited by then.
            return TurnOrNull ??= new SemaphoreSlim(CannotSend ? Everybody : 1);
        }
    }

    /// <summary>
    /// Under the lock, when nothing can be sent any more: all who wait for their turn learn it, though whoever has it may keep it, as an open message that nobody goes on with. There are places for more than can
    /// wait: of those who take one now, an open message may keep it, too.
    /// </summary>
    private void EndTurns() => TurnOrNull?.Release(Everybody);

    /// <summary>RFC 6455 §5.4: sends a message in fragments, each when the carrier is free. Releases the turn.</summary>
    private async Task<long> SendInPiecesAsync(ReadOnlyMemory<byte> data, Opcode opcode, bool compress, SemaphoreSlim turn, CancellationToken cancellationToken)
    {
        int sent = 0;
        bool handedOver = false;
        int piece = Math.Min(PieceSize, Options.SendQueueLimit);
        try
        {
            while (true)
            {
                int count = Math.Min(piece, data.Length - sent);
                bool last = sent + count == data.Length;
                Opcode part = sent == 0 ? opcode : Opcode.Continuation;
                long mark = await WriteFragmentAsync(part, last, compress, data.Slice(sent, count), cancellationToken).ConfigureAwait(false);
                sent += count;
                if (last)
                {
                    return mark;
                }
            }
        }
        catch (OperationCanceledException) when (sent > 0)
        {
            // Half a message cannot be withdrawn, and the buffer is the caller's again: finish from a copy.
            handedOver = true;
            _ = FinishPiecesAsync(data[sent..].ToArray(), piece, compress, turn);
            throw;
        }
        finally
        {
            if (!handedOver)
            {
                turn.Release();
            }
        }
    }

    private async Task FinishPiecesAsync(ReadOnlyMemory<byte> rest, int piece, bool compress, SemaphoreSlim turn)
    {
        try
        {
            while (!rest.IsEmpty)
            {
                int count = Math.Min(piece, rest.Length);
                await WriteFragmentAsync(Opcode.Continuation, count == rest.Length, compress, rest[..count], CancellationToken.None).ConfigureAwait(false);
                rest = rest[count..];
            }
        }
        catch (ConnectionClosedException)
        {
            // The connection's CloseInfo tells of it; nobody waits for this message any more.
            ReportDropped(DropReason.Unsent, 1);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Writes one frame of a message as soon as the carrier is free. The caller holds the turn.</summary>
    /// <param name="opcode">The message's type on its first frame.</param>
    /// <param name="fin">It is the message's last frame.</param>
    /// <param name="compress">As <see cref="Compresses"/> said of the message.</param>
    /// <param name="data">What the frame carries.</param>
    /// <param name="cancellationToken">Stops the waiting; nothing of the frame has been written then.</param>
    /// <returns>The mark to wait for.</returns>
    internal async ValueTask<long> WriteFragmentAsync(Opcode opcode, bool fin, bool compress, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task free;
            long mark = 0;
            bool flush = false;
            bool owns = false;
            lock (Gate)
            {
                if (CannotSend)
                {
                    throw ClosedException(isUnsent: opcode != Opcode.Continuation);
                }

                // Between its fragments a message keeps the carrier: what waits in the outbox must not come between.
                if (!_flushing && (_fragmenting || (_reserved ? Ahead == 0 : Waiting == 0)))
                {
                    _reserved = false;
                    _fragmenting = !fin;
                    owns = compress;
                    if (owns)
                    {
                        TakeOutput(FrameWriter.SizeOf(data.Length, Role));
                    }
                    else
                    {
                        FrameWriter.Write(_carrier!.Output, opcode, fin, data.Span, Role);
                        _written += FrameWriter.SizeOf(data.Length, Role);
                        mark = _written;
                        flush = TryBeginFlush();
                    }

                    free = Task.CompletedTask;
                }
                else
                {
                    if (!_reserved && !_fragmenting)
                    {
                        _reserved = true;
                        Ahead = Waiting;
                    }

                    free = (FlushedSource ??= NewSource()).Task;
                }
            }

            if (owns)
            {
                return WriteCompressed(data.Span, opcode, fin);
            }

            if (mark != 0)
            {
                if (flush)
                {
                    Flush();
                }

                return mark;
            }

            try
            {
                await free.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                GiveUpPlace();
                throw;
            }
        }
    }

    /// <summary>The one who waited for the carrier does no more: what waits behind him may go.</summary>
    private void GiveUpPlace()
    {
        bool flush;
        lock (Gate)
        {
            _reserved = false;
            flush = MayRefill && TryBeginFlush();
        }

        if (flush)
        {
            Flush();
        }
    }

    internal async ValueTask WaitUntilTakenAsync(long mark, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task flushed;
            lock (Gate)
            {
                if (_taken >= mark)
                {
                    return;
                }

                if (Ending is not null)
                {
                    throw ClosedException();
                }

                if (IsCorked && !_flushing)
                {
                    return;
                }

                flushed = (FlushedSource ??= NewSource()).Task;
            }

            await flushed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    internal void OnPiecewiseSent(long bytes) => _setup.Observer.MessageSent(this, (int)Math.Min(bytes, int.MaxValue));

    internal Task EnterTurnAsync(CancellationToken cancellationToken) => Turn().WaitAsync(cancellationToken);

    internal void LeaveTurn() => Turn().Release();

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
