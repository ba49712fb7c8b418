using Duologue.AspNetCore;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>
/// Sends publishes in their order, off their callers' path, by one loop. A few calls are under way at a time; what comes meanwhile leaves together with the next, and nobody waits for more to come.
/// When the link breaks, what was under way is sent again, in the same order and with the same numbers, by which the script knows what it has.
/// </summary>
internal sealed partial class PublishQueue
{
    /// <summary>So many that the server has the next when it has answered one, and so few that there is much to gather.</summary>
    public const int MaxCalls = 2;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LoadPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MostLoadPatience = TimeSpan.FromSeconds(8);
    private static readonly string[] Passing = ["NOSCRIPT", "LOADING", "READONLY", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN"];

    // It takes nothing more, and says so before the script has written anything.
    private static readonly string[] Full = ["OOM", "MISCONF", "NOREPLICAS"];

    // In a script Redis 7.0 has words of its own.
    private static readonly string[] Denied = ["NOPERM", "ERR The user executing the script can't"];

    private readonly List<PendingAppend> _failed = [];
    private readonly Dictionary<string, (long Last, int Count)> _underWay = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _signal = new(0);
    private readonly SemaphoreSlim _calls = new(MaxCalls);
    private int _isSignalled;

    // Guarded by the lock: it has been told that the server takes nothing, and nothing was appended since.
    private bool _isRefusing;

    /// <summary>What becomes of a publish that comes back.</summary>
    private enum Fate
    {
        /// <summary>It is in the log, or was.</summary>
        Landed,
        Failed,

        /// <summary>The server takes nothing more.</summary>
        Refused,

        /// <summary>It is not in the log, and is sent again.</summary>
        Again,

        /// <summary>It is sent again, and may be in the log.</summary>
        AgainInDoubt,

        /// <summary>The same, without others.</summary>
        AgainAlone,
    }

    /// <summary>How many came back and wait to be sent again.</summary>
    public int RetriesPending
    {
        get
        {
            lock (_lock)
            {
                return _failed.Count + _queue.Count;
            }
        }
    }

    private void Signal()
    {
        if (Interlocked.Exchange(ref _isSignalled, 1) == 0)
        {
            _signal.Release();
        }
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await _signal.WaitAsync(_stop.Token).ConfigureAwait(false);

                // A full fence before the look at the queue: who adds behind it signals anew.
                Interlocked.Exchange(ref _isSignalled, 0);
                bool hasFailed;
                lock (_lock)
                {
                    hasFailed = _failed.Count > 0;
                }

                if (hasFailed)
                {
                    await RecoverAsync().ConfigureAwait(false);
                }

                await SendAsync().ConfigureAwait(false);
            }
        }
#pragma warning disable CA1031 // Also what Redis fails by as the node stops: it is no failure of the node's end.
        catch (Exception) when (_stop.IsCancellationRequested)
#pragma warning restore CA1031
        {
            // What is left is refused by who stops the queue.
        }
    }

    private async Task SendAsync()
    {
        while (true)
        {
            if (_database() is not { } database || _scripts.Loaded is not { } hashes)
            {
                lock (_lock)
                {
                    if (_queue.Count == 0)
                    {
                        return;
                    }
                }

                await RecoverAsync().ConfigureAwait(false);
                continue;
            }

            await _calls.WaitAsync(_stop.Token).ConfigureAwait(false);
            if (Gather() is not { } batch)
            {
                _calls.Release();
                return;
            }

            _ = ObserveAsync(batch, database, hashes);
        }
    }

    private PublishBatch? Gather()
    {
        PublishBatch? batch = null;
        List<(PendingAppend Append, bool IsUnknown)> broken = [];
        lock (_lock)
        {
            // Behind one that has failed nothing is sent: it would overtake.
            while (_failed.Count == 0 && _queue.First is { } first && (batch is null || batch.Takes(first.Value)))
            {
                PendingAppend append = first.Value;
                if (append.Message.Turn is { IsBroken: true })
                {
                    broken.Add(Dismiss(append));
                    continue;
                }

                _queue.Remove(first);
                append.Queued = null;
                append.IsUnderWay = true;
                (long before, int count) = _underWay.GetValueOrDefault(append.Topic);
                _underWay[append.Topic] = (append.Number, count + 1);
                (batch ??= new PublishBatch()).Add(append, before);
            }
        }

        foreach ((PendingAppend append, bool isUnknown) in broken)
        {
            append.Completion.TrySetException(Refuse(PublishTurn.Refusal, isUnknown));
        }

        return batch;
    }

    private async Task ObserveAsync(PublishBatch batch, IDatabase database, TopicScripts.Hashes hashes)
    {
        Verdict[] verdicts = await AskAsync(batch, database, hashes).ConfigureAwait(false);
        bool isRetried = false;
        string? refusal = null;
        lock (_lock)
        {
            for (int i = 0; i < verdicts.Length; i++)
            {
                isRetried |= Take(batch[i], verdicts[i]);
                if (verdicts[i].Fate == Fate.Refused && !_isRefusing)
                {
                    (_isRefusing, refusal) = (true, verdicts[i].Error!.Message);
                }

                _isRefusing &= verdicts[i].Answer.Outcome != AppendOutcome.Appended || verdicts[i].Fate != Fate.Landed;
            }
        }

        // The next may leave; those who waited for this one are told meanwhile.
        _calls.Release();
        if (isRetried)
        {
            Signal();
        }

        if (refusal is not null)
        {
            RefusalBegan?.Invoke(refusal);
        }

        for (int i = 0; i < verdicts.Length; i++)
        {
            Tell(batch[i], verdicts[i]);
        }
    }

#pragma warning disable CA1031 // Whatever the client library throws is the publisher's to know, or a reason to send again.
    private async Task<Verdict[]> AskAsync(PublishBatch batch, IDatabase database, TopicScripts.Hashes hashes)
    {
        Verdict all;
        try
        {
            RedisResult result = await _scripts.AppendAsync(database, hashes, batch, _idle).ConfigureAwait(false);
            AppendAnswer[] answers = Entry.AnswersOf(result, batch.Count);
            for (int i = 0; i < answers.Length; i++)
            {
                if (answers[i].Outcome is AppendOutcome.Appended or AppendOutcome.Repeated)
                {
                    _scripts.Ends.Learn(batch[i].Topic, batch.ToldOf(batch[i].Topic), answers[i].Position, isNew: true);
                }
            }

            return [.. answers.Select(Judge)];
        }
        catch (RedisServerException refused) when (RedisRefusal.IsAnswer(refused))
        {
            all = Judge(refused);
            if (all.Fate == Fate.Failed && batch.Count > 1)
            {
                // One of them is too much for the server, or it cannot do with so many: each comes again by itself, and only who fails then has failed. Where the script had begun, some are in the log; their
                // numbers tell.
                all = new Verdict(Fate.AgainAlone, default, refused);
            }
        }
        catch (Exception error) when (error is RedisConnectionException or RedisServerException or RedisTimeoutException or TimeoutException or ObjectDisposedException)
        {
            // What never was written to a connection cannot have come.
            bool isUnsent = error is RedisConnectionException { CommandStatus: CommandStatus.WaitingToBeSent or CommandStatus.WaitingInBacklog };
            all = new Verdict(isUnsent ? Fate.Again : Fate.AgainInDoubt, default, error);
        }
        catch (Exception error)
        {
            all = new Verdict(Fate.Failed, default, error);
        }

        var verdicts = new Verdict[batch.Count];
        Array.Fill(verdicts, all);
        return verdicts;
    }

    /// <summary>Whether the server would have refused anything, and may take it in a moment, or when it has room or a replica again, or the user his rights: those are the same for all topics.</summary>
    public static bool IsOfServer(RedisServerException refused) => Is(refused, Passing) || Is(refused, Full) || Is(refused, Denied);

    // By its first word: others may be of a key, and so of a topic, which may be called ROOM.
    private static bool Is(RedisServerException refused, string[] codes) => codes.Any(code => refused.Message.StartsWith(code, StringComparison.Ordinal));

    /// <summary>Waits until nothing is under way and the server answers.</summary>
    private async Task RecoverAsync()
    {
        for (int i = 0; i < MaxCalls; i++)
        {
            await _calls.WaitAsync(_stop.Token).ConfigureAwait(false);
        }

        _calls.Release(MaxCalls);
        _scripts.Ends.Doubt();
        bool isRefused;
        lock (_lock)
        {
            isRefused = _failed.Count > 0 && _lastFailure is RedisServerException refused && !TopicScripts.IsScriptMissing(refused);
            foreach (PendingAppend append in _failed.OrderByDescending(append => append.Number))
            {
                if (append.Waiting is not null)
                {
                    _metrics.Retried();
                    append.Queued = _queue.AddFirst(append);
                }
            }

            _failed.Clear();
        }

        if (isRefused)
        {
            // It answers, and would say the same again at once.
            await Task.Delay(Pause, _time, _stop.Token).ConfigureAwait(false);
        }

        TimeSpan patience = LoadPatience;
        while (true)
        {
            try
            {
                if (_database() is { } database)
                {
                    // The scripts are asked for anew: this may be another server.
                    await _scripts.LoadAsync(database).WaitAsync(patience, _time, _stop.Token).ConfigureAwait(false);
                    return;
                }
            }
            catch (Exception error) when (!_stop.IsCancellationRequested)
            {
                // Short at first, for there may be another link by then; but a server or a line that takes longer does answer.
                patience = error is TimeoutException && patience < MostLoadPatience ? patience * 2 : patience;
                lock (_lock)
                {
                    _lastFailure = error;
                }
            }

            await Task.Delay(Pause, _time, _stop.Token).ConfigureAwait(false);
        }
    }
#pragma warning restore CA1031

    private static Verdict Judge(AppendAnswer answer) => answer.Outcome switch
    {
        // The one before was refused, and comes again: so does this, behind it.
        AppendOutcome.Early => new Verdict(Fate.Again, answer, null),
        AppendOutcome.Failed or AppendOutcome.Untold => Judge(new RedisServerException(RedisErrorKind.Unknown, CommandFlags.None, answer.Refusal!)) with { Answer = answer },
        _ => new Verdict(Fate.Landed, answer, null),
    };

    private static Verdict Judge(RedisServerException refused)
    {
        Fate fate = Is(refused, Passing) ? Fate.Again : Is(refused, Full) ? Fate.Refused : Fate.Failed;
        return new Verdict(fate, default, refused);
    }

    // With the lock held, in one step for all: who is sent next is either behind one that is under way, and says so, or waits. True if it is sent again.
    private bool Take(PendingAppend append, Verdict verdict)
    {
        Return(append);
        bool isAgain = verdict.Fate is Fate.Again or Fate.AgainInDoubt or Fate.AgainAlone;
        if (verdict.Fate == Fate.Landed)
        {
            // Whatever it was is over; but for a repeat, which has had it for a reason.
            _lastFailure = verdict.Answer.Outcome == AppendOutcome.Appended ? null : _lastFailure;
            append.Message.Turn?.Done();
        }

        if (isAgain)
        {
            _lastFailure = verdict.Error ?? _lastFailure;
            append.IsDoubtful |= verdict.Fate != Fate.Again;
            append.IsAlone |= verdict.Fate == Fate.AgainAlone;
            if (append.Waiting is not null)
            {
                _failed.Add(append);
                return true;
            }
        }
        else if (append.Waiting is { } waiting)
        {
            _waiting.Remove(waiting);
            append.Waiting = null;
            if (verdict.Fate != Fate.Landed)
            {
                append.Message.Turn?.NotDone();
            }
        }

        Uncount(append);
        return isAgain;
    }

    private void Tell(PendingAppend append, Verdict verdict)
    {
        switch (verdict.Fate)
        {
            case Fate.Landed when verdict.Answer.Outcome == AppendOutcome.Trimmed:
                append.Completion.TrySetException(new BrokerUnavailableException("The message was published, but the answer was lost with the link, and the history holds it no more: its position is not known.", isUnknown: true, _lastFailure));
                break;
            case Fate.Landed:
                TopicMessage placed = new(verdict.Answer.Position, append.Message.Type, append.Message.Data)
                {
                    IsJson = append.Message.IsJson,
                    Flags = append.Message.Flags,
                    Time = verdict.Answer.Time,
                };
                append.Completion.TrySetResult((placed, verdict.Answer.Outcome == AppendOutcome.Appended));
                break;
            case Fate.Refused:
                _metrics.Refused();
                append.Completion.TrySetException(new BrokerUnavailableException($"Redis takes no messages for the moment: {verdict.Error!.Message}", append.IsDoubtful, verdict.Error));
                break;
            case Fate.Failed when verdict.Answer.Outcome == AppendOutcome.Untold:
                _metrics.Refused();
                append.Completion.TrySetException(new BrokerUnavailableException($"Redis has the message, but does not let this node tell others of it: {verdict.Error!.Message}", isUnknown: true, verdict.Error));
                break;
            case Fate.Failed:
                // Where it is not the server who has refused it, nobody knows what the server did.
                _metrics.Refused();
                append.Completion.TrySetException(new BrokerUnavailableException($"Redis refuses the message: {verdict.Error!.Message}", append.IsDoubtful || verdict.Error is not RedisServerException, verdict.Error));
                break;
            default:
                // It comes again, or its publisher has been told.
                break;
        }
    }

    // With the lock held.
    private void Return(PendingAppend append)
    {
        append.IsUnderWay = false;
        (long last, int count) = _underWay[append.Topic];
        if (count > 1)
        {
            _underWay[append.Topic] = (last, count - 1);
        }
        else
        {
            _underWay.Remove(append.Topic);
        }
    }

    private readonly record struct Verdict(Fate Fate, AppendAnswer Answer, Exception? Error);
}
