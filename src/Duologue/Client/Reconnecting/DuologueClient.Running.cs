using System.Threading.Channels;
using Duologue.Client;

namespace Duologue;

/// <summary>One conversation after the other.</summary>
public sealed partial class DuologueClient
{
    private const int MaxUnread = 8;

    private static readonly TimeSpan ReaderGrace = TimeSpan.FromSeconds(1);

    private readonly Uri _uri;
    private readonly DuologueClientOptions _options;
    private readonly ClientReport _report;
    private readonly Backoff _backoff;
    private readonly StateCell _state;
    private readonly KeptMessages _kept;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ClientStateEventArgs> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Conversations that the reader has not begun with: one that is over may hold messages.
    private readonly Channel<Connection> _unread = Channel.CreateBounded<Connection>(MaxUnread);
    // Guarded by the lock.
    private Task? _running;
    private bool _isDisposed;

    private Connection? _reading;

    // The last one, if the client ended while there was no room for it among the others.
    private Connection? _last;
    private volatile Connection? _current;
    private (ushort Code, string Reason) _closing = (1000, "");
    private int _isRead;

    private TimeProvider Time => _options.Connect.TimeProvider;

    private async Task RunAsync()
    {
        CloseInfo? close = null;
        Exception? failure = null;
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                _state.Set(new ClientStateEventArgs(ClientState.Connecting, null, null, _backoff.Failures, TimeSpan.Zero));
                WebSocketConnection? connection;
                (connection, failure) = await TryConnectAsync().ConfigureAwait(false);
                TimeSpan? wait;
                if (connection is null)
                {
                    close = null;
                    wait = _backoff.AfterFailure(failure is ArgumentException or ObjectDisposedException ? new Verdict(VerdictKind.End, null) : Verdict.Of(failure!, Time.GetUtcNow()));
                }
                else
                {
                    long openedAt = Time.GetTimestamp();
                    close = await TalkAsync(connection).ConfigureAwait(false);
                    wait = _backoff.AfterConversation(Verdict.Of(close), Time.GetElapsedTime(openedAt));
                }

                if (wait is null || _stop.IsCancellationRequested)
                {
                    break;
                }

                _report.Waiting(close, failure, wait.Value);
                _state.Set(new ClientStateEventArgs(ClientState.Waiting, close, failure, _backoff.Failures, wait.Value));
                await Task.Delay(wait.Value, Time, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The application has ended it, before or between conversations: the end of none of them brought this about.
            close = null;
        }
        finally
        {
            Finish(close, _stop.IsCancellationRequested ? null : failure);
        }
    }

    private async Task<(WebSocketConnection? Connection, Exception? Failure)> TryConnectAsync()
    {
        try
        {
            ConnectOptions options = await _options.PrepareAsync(_stop.Token).ConfigureAwait(false);
            return ((WebSocketConnection)await Connection.ConnectAsync(_uri, options, _stop.Token).ConfigureAwait(false), null);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            throw;
        }
#pragma warning disable CA1031 // What the application's own hooks throw is an attempt that failed, too: it is told by the state, logged and counted.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return (null, e);
        }
    }

    private async Task<CloseInfo> TalkAsync(WebSocketConnection connection)
    {
        // Whoever reads may answer at once.
        _current = connection;
        _kept.Open();
        await OfferAsync(connection).ConfigureAwait(false);
        _report.Opened();
        _state.Set(new ClientStateEventArgs(ClientState.Open, null, null, 0, TimeSpan.Zero));
        _opened.TrySetResult();

        var unconfirmed = new Unconfirmed(connection, Time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, connection.Aborted);

        // What waits is still sent when the client is to end, but not for ever.
        using var limit = new CancellationTokenSource(Timeout.InfiniteTimeSpan, Time);
        using CancellationTokenRegistration limiting = _stop.Token.Register(() => limit.CancelAfter(_options.Connect.CloseTimeout));
        await SendAllAsync(connection, unconfirmed, stop.Token, limit.Token).ConfigureAwait(false);
        if (_stop.IsCancellationRequested)
        {
            await connection.CloseAsync(_closing.Code, _closing.Reason).ConfigureAwait(false);
        }

        CloseInfo close = await connection.Closed.ConfigureAwait(false);
        _current = null;

        // Who answers our Close has had all that was sent before it. One who closed at the same time may have read none of it.
        Unconfirmed.Sent unknown = unconfirmed.Take(isAnswered: close is { WasClean: true, ByPeer: false } && connection.IsCloseEchoed);
        if (unknown.Count > 0)
        {
            Tell(new MessagesLostEventArgs(MessageFate.Unknown, unknown.First, unknown.Last, unknown.Count, unknown.Bytes));
        }

        _kept.Close();
        return close;
    }

    // Until the conversation ends, or the client does: then what is waiting is still sent.
    private async Task SendAllAsync(Connection connection, Unconfirmed unconfirmed, CancellationToken stop, CancellationToken limit)
    {
        try
        {
            while (true)
            {
                while (_kept.TryTake() is { } message)
                {
                    await SendAsync(connection, unconfirmed, message, limit).ConfigureAwait(false);
                }

                if (stop.IsCancellationRequested)
                {
                    return;
                }

                // What came together with the end is still taken above.
                await _kept.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ConnectionClosedException)
        {
            // The caller looks which of the two has ended.
        }
    }

    private async Task SendAsync(Connection connection, Unconfirmed unconfirmed, KeptMessage message, CancellationToken limit)
    {
        try
        {
            await connection.SendAsync(message.Data, message.Type, limit).ConfigureAwait(false);
            unconfirmed.Add(message);
            message.Fate?.TrySetResult(MessageFate.Sent);
        }
        catch (ConnectionClosedException e) when (e.IsUnsent)
        {
            _kept.PutBack(message);
            throw;
        }
        catch (Exception e) when (e is ConnectionClosedException or OperationCanceledException)
        {
            // Some of it may have left, and all of it may have arrived.
            unconfirmed.BreakOff(message);
            message.Fate?.TrySetResult(MessageFate.Unknown);
            throw;
        }
    }

    private async Task OfferAsync(Connection connection)
    {
        Task? room = null;
        while (!_unread.Writer.TryWrite(connection))
        {
            if (_stop.IsCancellationRequested)
            {
                // None follows it. What it has received is read behind that of the others.
                Volatile.Write(ref _last, connection);
                return;
            }

            if (Volatile.Read(ref _isRead) != 0)
            {
                // Whoever reads is far behind: what has come must be read before more comes. One who waits for room is enough, however often it is looked again.
                room = room is null or { IsCompleted: true } ? _unread.Writer.WaitToWriteAsync(_stop.Token).AsTask() : room;
                await Task.WhenAny(room, Task.Delay(ReaderGrace, Time, _stop.Token)).ConfigureAwait(false);
            }
            else if (_unread.Reader.TryRead(out Connection? oldest))
            {
                await LetGoAsync(oldest).ConfigureAwait(false);
            }
        }
    }

    // Nobody wants what it has received, or not before too much has come. It is over: there will be no more, and nothing to wait for.
    private async Task LetGoAsync(Connection unread)
    {
        int count = 0;
        try
        {
            while (true)
            {
                await unread.ReceiveAsync(CancellationToken.None).ConfigureAwait(false);
                count++;
            }
        }
        catch (ConnectionClosedException)
        {
            if (count > 0)
            {
                _report.Unread(count);
            }
        }
    }

    private async ValueTask<MessageFate> WaitAsync(KeptMessage message, CancellationToken cancellationToken)
    {
        Task<MessageFate> fate = message.Fate!.Task;
        try
        {
            return await fate.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!_kept.TryRemove(message, cancellationToken))
        {
            // It is told in a moment: it is not put back, should nothing of it leave.
            return await fate.ConfigureAwait(false);
        }
    }

    private void OnLost(MessageFate fate, IReadOnlyList<KeptMessage> messages) =>
        Tell(new MessagesLostEventArgs(fate, messages[0].Number, messages[^1].Number, messages.Count, messages.Sum(message => (long)message.Data.Length)));

    private void Finish(CloseInfo? close, Exception? failure)
    {
        _kept.End();
        _kept.Dispose();
        _unread.Writer.TryComplete();
        _report.Ended(close, failure);
        var end = new ClientStateEventArgs(ClientState.Ended, close, failure, _backoff.Failures, TimeSpan.Zero);
        _state.Set(end);
        _ended.TrySetResult(end);
    }

    private Exception EndOf(ClientStateEventArgs end) => end.Failure ?? new ConnectionClosedException(
        $"The client of {WebSocketUri.Display(_uri)} has ended, and does not come back.",
        end.Close ?? new CloseInfo(1006, "", ByPeer: false, WasClean: false, CloseCause.Aborted),
        null);

    private void Tell(ClientStateEventArgs change) => _report.Guard(() => StateChanged?.Invoke(this, change));

    private void Tell(MessagesLostEventArgs lost)
    {
        _report.Lost(lost);
        _report.Guard(() => MessagesLost?.Invoke(this, lost));
    }
}
