using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Duologue.Carriers;

/// <summary>Carries a WebSocket over a pair of pipes: a Kestrel connection, an HTTP/2 stream, or memory.</summary>
internal sealed class PipeCarrier : Carrier
{
    /// <summary>
    /// What is handled of one peer before others have their turn. A peer that sends faster than it is handled always has more
    /// at hand: its pump would never wait, and few such peers would have all the threads of the pool.
    /// </summary>
    private const int Share = 64 * 1024;

    // What is done with the output.
    private const int Idle = 0;
    private const int Flushing = 1;
    private const int Ended = 2;

    private readonly PipeReader _input;
    private readonly PipeWriter _output;
    private readonly WebSocketConnection _connection;
    private readonly Action? _abort;
    private readonly ReadGate _gate = new();
    private volatile bool _completed;
    private volatile bool _aborted;
    private int _outputState;

    /// <param name="input">What the peer sends.</param>
    /// <param name="output">What the peer gets.</param>
    /// <param name="connection">The connection that this carrier will start.</param>
    /// <param name="abort">Kills the transport below the pipes; null where completing the pipes does.</param>
    public PipeCarrier(PipeReader input, PipeWriter output, WebSocketConnection connection, Action? abort)
    {
        _input = input;
        _output = output;
        _connection = connection;
        _abort = abort;
    }

    public override IBufferWriter<byte> Output => _output;

    /// <summary>False where the transport ends as a whole when its input has ended.</summary>
    public bool HalfCloses { get; init; } = true;

    /// <summary>Whether the output is a writer over a stream: when it is completed it gives its memory back, also what a flush still writes from.</summary>
    public bool WritesStream { get; init; }

    /// <summary>
    /// Cancelled when the transport below is gone. What lies between may take bytes all the same and say nothing: TLS passes on what the pipe below it throws, and not what that pipe
    /// answers, and an HTTP/2 stream that was reset takes all. While the input waits for the application, nothing else tells of the end.
    /// </summary>
    public CancellationToken Gone { get; init; }

    public override bool OutlivesInput => HalfCloses && !_aborted;

    /// <summary>
    /// Starts the connection and pumps until the conversation and the draining after it are over; then ends the outgoing
    /// direction, whoever else still has a hold on the transport. Throws only what is a fault of our own. The input stays the caller's to complete.
    /// </summary>
    public async Task RunAsync()
    {
        _connection.Start(this);
        Exception? error = null;
        ExceptionDispatchInfo? fault = null;
        try
        {
            long share = Share;
            while (!_completed)
            {
                ValueTask<ReadResult> read = _input.ReadAsync();
                share = read.IsCompleted ? share : Share;
                ReadResult result = await read.ConfigureAwait(false);
                bool isMore = result.Buffer.Length > share;
                ReadOnlySequence<byte> buffer = isMore ? result.Buffer.Slice(0, share) : result.Buffer;
                share -= buffer.Length;
                long taken = Push(buffer);
                bool stopped = taken < buffer.Length;
                SequencePosition position = stopped ? buffer.GetPosition(taken) : buffer.End;
                _input.AdvanceTo(position, position);
                _connection.OnBatchEnd();
                if (stopped)
                {
                    await _gate.WaitAsync().ConfigureAwait(false);
                }
                else if (result.IsCompleted && !isMore)
                {
                    break;
                }
                else if (share <= 0)
                {
                    await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                    share = Share;
                }
            }
        }
        catch (Exception e) when (IsGone(e))
        {
            // How transports report that they are gone: a reset, an abort, a pipe completed under us.
            error = e;
        }
        catch (Exception e)
        {
            // A fault of our own or no memory: all ends as it does else, and then whoever runs it hears of it.
            error = e;
            fault = ExceptionDispatchInfo.Capture(e);
        }

        _connection.OnEnd(error);
        while (!_completed)
        {
            await _gate.WaitAsync().ConfigureAwait(false);
        }

        // From here on the connection writes nothing more, and what is still on its way is of a conversation that has ended.
        bool isCut = WritesStream && _aborted;
        while (WritesStream && Interlocked.CompareExchange(ref _outputState, Ended, Idle) != Idle)
        {
            isCut = true;
            _output.CancelPendingFlush();
            await _gate.WaitAsync().ConfigureAwait(false);
        }

        try
        {
            // With an exception a writer over a stream does not try once more what was cut.
            await _output.CompleteAsync(isCut ? new OperationCanceledException() : null).ConfigureAwait(false);
        }
        catch (Exception e) when (IsGone(e))
        {
            // It has ended by itself: nothing is left to end.
        }

        fault?.Throw();
    }

    public override ValueTask<bool> FlushAsync()
    {
        if (Interlocked.CompareExchange(ref _outputState, Flushing, Idle) != Idle)
        {
            // The pump has ended: nothing is left to flush.
            return new(!_aborted);
        }

        bool isPending = false;
        try
        {
            if (Gone.IsCancellationRequested)
            {
                // Looked at before: of what is under way when the transport goes nobody knows, but this goes nowhere.
                return new(false);
            }

            ValueTask<FlushResult> flush = _output.FlushAsync();
            if (flush.IsCompletedSuccessfully)
            {
                return new(IsAlive(flush.Result));
            }

            isPending = true;
            return WaitForFlushAsync(flush);
        }
        catch (Exception e) when (IsGone(e))
        {
            return new(false);
        }
        finally
        {
            if (!isPending)
            {
                EndFlush();
            }
        }
    }

    // Apart from the way that completes at once, which allocates nothing in any build; this one takes its state from a pool.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> WaitForFlushAsync(ValueTask<FlushResult> flush)
    {
        try
        {
            return IsAlive(await flush.ConfigureAwait(false));
        }
        catch (Exception e) when (IsGone(e))
        {
            // The connection is told by the answer, and ends the pump.
            return false;
        }
        finally
        {
            EndFlush();
        }
    }

    private void EndFlush()
    {
        Interlocked.Exchange(ref _outputState, Idle);
        if (_completed)
        {
            // The pump may wait for this.
            _gate.Open();
        }
    }

    private bool IsAlive(FlushResult result) => !_aborted && !result.IsCompleted;

    private static bool IsGone(Exception e) => e is IOException or OperationCanceledException or InvalidOperationException or ObjectDisposedException;

    public override void ResumeReading() => _gate.Open();

    public override void Complete()
    {
        _completed = true;
        _gate.Open();
        _input.CancelPendingRead();
    }

    public override void Abort()
    {
        _aborted = true;
        try
        {
            _output.CancelPendingFlush();
        }
        catch (ObjectDisposedException)
        {
            // The pump has ended meanwhile and completed the writer: there is nothing left to cancel.
        }

        _abort?.Invoke();
        Complete();
    }

    private long Push(in ReadOnlySequence<byte> buffer)
    {
        if (buffer.IsSingleSegment)
        {
            return _connection.OnReceived(buffer.FirstSpan);
        }

        long taken = 0;
        foreach (ReadOnlyMemory<byte> segment in buffer)
        {
            int count = _connection.OnReceived(segment.Span);
            taken += count;
            if (count < segment.Length)
            {
                break;
            }
        }

        return taken;
    }
}
