using System.Runtime.ExceptionServices;

namespace Duologue.AspNetCore;

/// <summary>
/// Following a broker that other processes append to. Its notifications are hints: the next message is delivered as it comes; at anything else the log is read, from where the
/// members are on, by one reader at a time.
/// </summary>
internal sealed partial class Topic
{
    /// <summary>The most that leave together, in number and in bytes of payload: a fraction of what a send queue holds by default, and so little that others soon have their turn.</summary>
    public const int MaxTogether = 64;
    public const int MaxTogetherBytes = 16 * 1024;

    private const int PumpCount = 256;
    private const int PumpBytes = 1024 * 1024;

    /// <summary>After so long a broker that failed is asked again.</summary>
    public static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    // Guarded by the publish lock.
    private Task? _attaching;
    private bool _pumping;
    private bool _isBehind;

    // Before the oldest message that was heard of while the log was not followed yet, for those who had subscribed then.
    private TopicPosition? _heardBefore;

    /// <summary>Begins to follow the log. Completes when what is appended from then on is delivered; fails never, but waits for a broker that is not there.</summary>
    public Task AttachAsync()
    {
        lock (_publishLock)
        {
            if (_attaching is not null)
            {
                return _attaching;
            }

            var attached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _attaching = attached.Task;
            _ = RunAsync(attached, hub.Broker.Hearing);
        }

        return _attaching;

        async Task RunAsync(TaskCompletionSource attached, long? hearing)
        {
            // The broker is not ours: nothing of it runs under the lock.
            await Task.Yield();
            TopicPosition? head;
            while ((head = await TrySubscribeAsync().ConfigureAwait(false)) is null && !IsDetached && !hub.Ended.IsCancellationRequested)
            {
                await Task.Delay(RetryDelay, hub.Time, hub.Ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            bool wanted;
            TopicPage? gap = null;
            lock (_publishLock)
            {
                wanted = _following != Following.NoMore;
                _delivered = Begin(head ?? default);
                _following = head is not null && wanted ? Following.Yes : _following;
                if (_following == Following.Yes && HasMembers && (hearing is null || hearing != hub.Broker.Hearing))
                {
                    // They have subscribed, and nobody heard what was appended since.
                    gap = new TopicPage([], _delivered, HasMore: false) { IsReset = true };
                    (_pumping, _isBehind) = (true, true);
                }
            }

            if (gap is not null)
            {
                TryHandOut(gap);
            }

            attached.SetResult();
            if (head is not null && !wanted)
            {
                hub.Unfollow(Name);
            }
            else if (gap is not null)
            {
                _ = PumpAsync();
            }
            else
            {
                ReadOn();
            }
        }
    }

    /// <summary>
    /// A hint: something was appended. The first part: the first of some messages, if it is the next one, has its place with all members, and so do those that follow it at once, in one page. <see cref="Leave"/> must follow, for what was
    /// taken one after the other in that order. What throws is kept for later, and the messages are read from the log.
    /// </summary>
    /// <returns>Of how many messages this was; 0 if the topic is no more: take a new one then.</returns>
    public int Take(ReadOnlySpan<TopicMessage> messages, out Delivery delivery, ref ExceptionDispatchInfo? failure)
    {
        delivery = default;
        try
        {
            RefreshWildcards();
            lock (_publishLock)
            {
                if (_following == Following.NoMore || IsRetired)
                {
                    return 0;
                }

                TopicMessage first = messages[0];
                if (_following == Following.Yes && !_pumping && first.Follows(_delivered))
                {
                    int count = CountFollowing(messages[..CountTogether(messages)]);
                    delivery = Deliver(messages[..count], TakeSnapshot());
                    return count;
                }

                if (_following != Following.Yes || first.Position.Epoch != _delivered.Epoch || first.Position.Offset > _delivered.Offset)
                {
                    _isBehind = true;
                    Remember(first.Position);
                }
            }
        }
#pragma warning disable CA1031 // It is thrown when all that came with it has left.
        catch (Exception error)
#pragma warning restore CA1031
        {
            failure ??= ExceptionDispatchInfo.Capture(error);
            lock (_publishLock)
            {
                _isBehind = true;
            }
        }

        return 1;
    }

    /// <summary>The other part: sends, and reads on where there is a hole. What throws is kept for later.</summary>
    /// <returns>To how many receivers it went.</returns>
    public int Leave(in Delivery delivery, ref ExceptionDispatchInfo? failure)
    {
        FanoutResult result = delivery.Settle(ref failure);
        ReadOn();
        return result.Accepted + delivery.WaiterCount;
    }

    private static int CountTogether(ReadOnlySpan<TopicMessage> messages)
    {
        int count = 1;
        long bytes = messages[0].Data.Length;
        while (count < messages.Length && count < MaxTogether && (bytes += messages[count].Data.Length) <= MaxTogetherBytes)
        {
            count++;
        }

        return count;
    }

    private static int CountFollowing(ReadOnlySpan<TopicMessage> messages)
    {
        int count = 1;
        while (count < messages.Length && messages[count].Follows(messages[count - 1].Position))
        {
            count++;
        }

        return count;
    }

    /// <summary>A hint: something may have been appended.</summary>
    public void Uncertain()
    {
        lock (_publishLock)
        {
            _isBehind = true;
        }

        ReadOn();
    }

    /// <summary>The log ends there. What is on its way here at this moment is read once more than it need be.</summary>
    public void Seen(TopicPosition end)
    {
        lock (_publishLock)
        {
            _isBehind |= _following == Following.Yes && (end.Epoch != _delivered.Epoch || end.Offset > _delivered.Offset);
        }

        ReadOn();
    }

    /// <summary>A hint: this was appended, and perhaps more behind it, and nobody has it at hand. False if the topic is no more: take a new one then.</summary>
    public bool AppendedUnseen(TopicPosition first)
    {
        RefreshWildcards();
        lock (_publishLock)
        {
            if (_following == Following.NoMore || IsRetired)
            {
                return false;
            }

            _isBehind = true;
            Remember(first);
        }

        ReadOn();
        return true;
    }

    private bool IsDetached
    {
        get
        {
            lock (_publishLock)
            {
                return _following == Following.NoMore;
            }
        }
    }

    // Who is a member already has subscribed before the log was followed, and by a wildcard before the topic was found: what is heard meanwhile is theirs, too.
    private void Remember(TopicPosition position)
    {
        if (_following != Following.Yes && HasMembers && !(_heardBefore is { } before && before.Epoch == position.Epoch && before.Offset < position.Offset))
        {
            _heardBefore = position with { Offset = position.Offset - 1 };
        }
    }

    private TopicPosition Begin(TopicPosition head) =>
        _heardBefore is { } before && before.Epoch == head.Epoch && before.Offset < head.Offset ? before : head;

    private void ReadOn()
    {
        lock (_publishLock)
        {
            if (_following != Following.Yes || _pumping || !_isBehind)
            {
                return;
            }

            _pumping = true;
        }

        _ = PumpAsync();
    }

    private async Task PumpAsync()
    {
        bool more = true;
        while (more)
        {
            lock (_publishLock)
            {
                _isBehind = false;
            }

            TopicPage? page = await TryReadAsync().ConfigureAwait(false);
            bool failed = page is null || !TryHandOut(page);
            if (failed)
            {
                await Task.Delay(RetryDelay, hub.Time, hub.Ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            lock (_publishLock)
            {
                more = _following != Following.NoMore && !hub.Ended.IsCancellationRequested && (failed || page!.HasMore || _isBehind);
                _pumping = more;
            }
        }

        // Also those who have read further than was delivered here.
        WakeAll(WaitEnd.Arrived);
    }

    private void HandOut(TopicPage page)
    {
        // Of what is in it nobody may have heard: whoever subscribed by a wildcard before it was appended is to have it, too.
        RefreshWildcards();
        Delivery delivery = default;
        if (page.IsReset)
        {
            hub.Recovered(Name, page);
            MemberSnapshot members;
            lock (_publishLock)
            {
                if (_following == Following.NoMore)
                {
                    return;
                }

                members = TakeSnapshot();
                delivery = new Delivery(Name, page, members);

                // In one step with the notice: who joins from here on has been told by the log, or is not where the others are.
                _delivered = page.Messages.Count == 0 ? page.Next : page.Messages[0].Position with { Offset = page.Messages[0].Position.Offset - 1 };
            }

            try
            {
                delivery.Settle();
            }
            finally
            {
                if (members.Raw.Length > 0)
                {
                    hub.LostByMembers(Name, page, members.Raw);
                }
            }
        }

        TopicMessage[] messages = [.. page.Messages];
        for (int next = 0; next < messages.Length;)
        {
            ReadOnlySpan<TopicMessage> some = messages.AsSpan(next, CountTogether(messages.AsSpan(next)));
            lock (_publishLock)
            {
                if (_following == Following.NoMore)
                {
                    // Whoever subscribes by a wildcard has come since, and has what is appended by the next topic of this name.
                    return;
                }

                delivery = Deliver(some, TakeSnapshot());
            }

            delivery.Settle();
            next += some.Length;
        }

        lock (_publishLock)
        {
            _delivered = page.Next;
        }
    }

#pragma warning disable CA1031 // Whatever a broker throws is logged and counted, and tried again: the log is still there.
    private bool TryHandOut(TopicPage page)
    {
        try
        {
            HandOut(page);
            return true;
        }
        catch (Exception error)
        {
            // What the broker gave was no page, or somebody who counts or logs threw. What is placed is placed; the rest is read again.
            hub.BrokerFailed(error, "read", Name);
            return false;
        }
    }

    private async ValueTask<TopicPosition?> TrySubscribeAsync()
    {
        try
        {
            return await hub.Broker.SubscribeAsync(Name, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            hub.BrokerFailed(error, "subscribe", Name);
            return null;
        }
    }

    private async ValueTask<TopicPage?> TryReadAsync()
    {
        try
        {
            TopicPosition delivered;
            lock (_publishLock)
            {
                delivered = _delivered;
            }

            return await hub.Broker.ReadAsync(Name, TopicStart.After(delivered), PumpCount, PumpBytes, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            hub.BrokerFailed(error, "read", Name);
            return null;
        }
    }
#pragma warning restore CA1031
}
