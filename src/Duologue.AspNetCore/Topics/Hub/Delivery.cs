using System.Buffers;
using System.Runtime.ExceptionServices;
using Duologue.Peer;

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
    /// has their frames one behind the other. Never throws: who cannot be given them is ended, and who waits is woken whatever becomes of the others.
    /// </summary>
    public Delivery(string topic, ReadOnlySpan<TopicMessage> messages, MemberSnapshot members, TopicSubscription[]? waiters, int waiterCount)
    {
        (_waiters, _waiterCount, MessageCount) = (waiters, waiterCount, messages.Length);
        _raw = Accept(members.Raw, topic, messages, static (connections, _, messages) => Fanout.Accept(connections, FramesOf(messages)));
        _feed = Accept(members.Feed, topic, messages, static (connections, _, messages) => Fanout.Accept(connections, FeedJson.PageFrame(PageOf(messages))));
        _protocol = Accept(members.Protocol, topic, messages, static (connections, topic, messages) => Fanout.Accept(connections, TopicsProtocol.ItemsFrame(topic, PageOf(messages))));
        foreach (TopicMessage message in messages)
        {
            message.ReleaseFrame();
        }
    }

    /// <summary>Gives those who would see a gap the notice of it.</summary>
    public Delivery(string topic, TopicPage reset, MemberSnapshot members)
    {
        _feed = Accept(members.Feed, topic, reset, static (connections, _, reset) => Fanout.Accept(connections, FeedJson.ResetFrame(reset)));
        _protocol = Accept(members.Protocol, topic, reset, static (connections, topic, reset) => Fanout.Accept(connections, TopicsProtocol.ResetFrame(topic, reset)));
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

    private static TopicPage PageOf(ReadOnlySpan<TopicMessage> messages) => new([.. messages], messages[^1].Position, HasMore: false);

    private static BroadcastFrame[] FramesOf(ReadOnlySpan<TopicMessage> messages)
    {
        var frames = new BroadcastFrame[messages.Length];
        for (int i = 0; i < frames.Length; i++)
        {
            frames[i] = messages[i].Frame;
        }

        return frames;
    }

    private static Fanout.Accepted Accept<T>(WebSocketConnection[] connections, string topic, T source, Func<WebSocketConnection[], string, T, Fanout.Accepted> accept)
        where T : allows ref struct
    {
        if (connections.Length == 0)
        {
            return default;
        }

        try
        {
            return accept(connections, topic, source);
        }
#pragma warning disable CA1031 // No memory, or no text: those who were to have it are ended, and it is thrown when all that can leave has left.
        catch (Exception error)
#pragma warning restore CA1031
        {
            return new Fanout.Accepted(connections, error);
        }
    }
}
