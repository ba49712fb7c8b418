using System.Buffers;
using System.Runtime.ExceptionServices;
using Duologue.Peer;

namespace Duologue.AspNetCore;

/// <summary>A message that has its place with all subscribers of a topic, and has not left yet. By default one that nobody gets.</summary>
internal readonly struct Delivery
{
    private readonly Fanout.Accepted _raw;
    private readonly Fanout.Accepted _feed;
    private readonly Fanout.Accepted _protocol;
    private readonly TopicSubscription[]? _waiters;
    private readonly int _waiterCount;

    /// <summary>Gives a message its place. Under the lock of the topic's publishing. Never throws: who cannot be given it is ended, and who waits is woken whatever becomes of the others.</summary>
    public Delivery(string topic, TopicMessage message, MemberSnapshot members, TopicSubscription[]? waiters, int waiterCount)
    {
        (_waiters, _waiterCount) = (waiters, waiterCount);
        _raw = Accept(members.Raw, topic, message, static (_, message) => message.Frame);
        _feed = Accept(members.Feed, topic, message, static (_, message) => FeedJson.PageFrame(message));
        _protocol = Accept(members.Protocol, topic, message, TopicsProtocol.ItemFrame);
        message.ReleaseFrame();
    }

    /// <summary>Gives those who would see a gap the notice of it.</summary>
    public Delivery(string topic, TopicPage reset, MemberSnapshot members)
    {
        _feed = Accept(members.Feed, topic, reset, static (_, reset) => FeedJson.ResetFrame(reset));
        _protocol = Accept(members.Protocol, topic, reset, TopicsProtocol.ResetFrame);
    }

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

    private static Fanout.Accepted Accept<T>(WebSocketConnection[] connections, string topic, T source, Func<string, T, BroadcastFrame> encode)
    {
        if (connections.Length == 0)
        {
            return default;
        }

        try
        {
            return Fanout.Accept(connections, encode(topic, source));
        }
#pragma warning disable CA1031 // No memory, or no text: those who were to have it are ended, and it is thrown when all that can leave has left.
        catch (Exception error)
#pragma warning restore CA1031
        {
            return new Fanout.Accepted(connections, error);
        }
    }
}
