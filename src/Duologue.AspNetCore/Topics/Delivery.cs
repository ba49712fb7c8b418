using System.Buffers;
using System.Runtime.ExceptionServices;

namespace Duologue.AspNetCore;

/// <summary>Messages that have their place with all subscribers of a topic, and have not left yet. By default such as nobody gets.</summary>
internal readonly struct Delivery
{
    private readonly Fanout.Accepted _raw;
    private readonly Fanout.Accepted _feed;
    private readonly Fanout.Accepted _protocol;
    private readonly TopicSubscription[]? _waiters;
    private readonly int _waiterCount;

    /// <summary>
    /// Gives messages that follow one another their place. Under the lock of the topic's publishing. Of several a page is made, one frame; who is sent each message as it is (<see cref="MemberSnapshot.Raw"/>)
    /// must not be among the members then.
    /// </summary>
    public Delivery(string topic, ReadOnlySpan<TopicMessage> messages, MemberSnapshot members, TopicSubscription[]? waiters, int waiterCount)
    {
        MessageCount = messages.Length;
        if (members.Raw.Length > 0)
        {
            _raw = Fanout.Accept(members.Raw, messages[0].Frame);
        }

        if (members.Feed.Length + members.Protocol.Length > 0)
        {
            TopicPage page = new([.. messages], messages[^1].Position, HasMore: false);
            if (members.Feed.Length > 0)
            {
                _feed = Fanout.Accept(members.Feed, FeedJson.PageFrame(page));
            }

            if (members.Protocol.Length > 0)
            {
                _protocol = Fanout.Accept(members.Protocol, TopicsProtocol.ItemsFrame(topic, page));
            }
        }

        foreach (TopicMessage message in messages)
        {
            message.ReleaseFrame();
        }

        (_waiters, _waiterCount) = (waiters, waiterCount);
    }

    /// <summary>Gives those who would see a gap the notice of it.</summary>
    public Delivery(string topic, TopicPage reset, MemberSnapshot members)
    {
        if (members.Feed.Length > 0)
        {
            _feed = Fanout.Accept(members.Feed, FeedJson.ResetFrame(reset));
        }

        if (members.Protocol.Length > 0)
        {
            _protocol = Fanout.Accept(members.Protocol, TopicsProtocol.ResetFrame(topic, reset));
        }
    }

    /// <summary>How many messages they are; of a reset none.</summary>
    public int MessageCount { get; }

    /// <summary>How many readers are woken, who waited for more.</summary>
    public int WaiterCount => _waiterCount;

    /// <summary>Sends, wakes, counts and logs. Once, with no lock held.</summary>
    public FanoutResult Settle()
    {
        ExceptionDispatchInfo? failure = null;
        FanoutResult result = Settle(ref failure);
        failure?.Throw();
        return result;
    }

    /// <summary>The same; what throws is kept for later.</summary>
    public FanoutResult Settle(ref ExceptionDispatchInfo? failure)
    {
        _raw.Flush(ref failure);
        _feed.Flush(ref failure);
        _protocol.Flush(ref failure);
        if (_waiters is not null)
        {
            for (int i = 0; i < _waiterCount; i++)
            {
                _waiters[i].Wake(WaitEnd.Arrived);
            }

            ArrayPool<TopicSubscription>.Shared.Return(_waiters, clearArray: true);
        }

        FanoutResult raw = _raw.Report(ref failure);
        FanoutResult feed = _feed.Report(ref failure);
        FanoutResult protocol = _protocol.Report(ref failure);
        return new(raw.Accepted + feed.Accepted + protocol.Accepted, raw.Dropped + feed.Dropped + protocol.Dropped);
    }
}
