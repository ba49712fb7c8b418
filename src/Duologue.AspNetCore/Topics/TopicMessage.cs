using System.Text;
using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue.AspNetCore;

/// <summary>One message of a topic. Immutable once it has its position, and shared by all who read it.</summary>
public sealed class TopicMessage
{
    private BroadcastFrame? _frame;
    private byte[]? _item;
    private DateTimeOffset _time;

    /// <summary>Makes a message; for a <see cref="Broker"/> that has read it from its store.</summary>
    /// <param name="position">Its own position: the one to continue after.</param>
    /// <param name="type">Text or binary.</param>
    /// <param name="data">The payload, which nobody changes any more; valid UTF-8 if <paramref name="type"/> is text.</param>
    public TopicMessage(TopicPosition position, MessageType type, ReadOnlyMemory<byte> data)
    {
        Position = position;
        Type = type;
        Data = data;
    }

    /// <summary>A message that is to be appended.</summary>
    internal TopicMessage(BroadcastFrame frame, MessageType type, bool isJson)
        : this(default, type, frame.Plain[^frame.PayloadLength..])
    {
        _frame = frame;
        Flags = frame.Flags;
        IsJson = isJson;
    }

    /// <summary>Where it stands. Default until it has been appended.</summary>
    public TopicPosition Position { get; private set; }

    /// <summary>Text or binary.</summary>
    public MessageType Type { get; }

    /// <summary>Whether the text is a JSON value, which the feed sends as it is and not as a string. Without line ends.</summary>
    public bool IsJson { get; init; }

    /// <summary>
    /// By what a repeat of its publication is known; null if it was published without. Of a message that is to be appended, for <see cref="Broker.AppendAsync"/>: whoever reads it later need not have it.
    /// </summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>What is special about it.</summary>
    public MessageFlags Flags { get; init; }

    /// <summary>When it was appended, by the broker's clock.</summary>
    public DateTimeOffset Time
    {
        get => _time;
        init => _time = value;
    }

    /// <summary>The payload.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>The payload decoded as UTF-8; a new string at each call.</summary>
    public string Text => Encoding.UTF8.GetString(Data.Span);

    /// <summary>Of a message that is to be appended: its place among its publisher's, if others are to come behind it, or it behind another.</summary>
    internal PublishTurn? Turn { get; set; }

    /// <summary>The message as a frame for connections. Under the lock of the topic's publishing: see <see cref="BroadcastFrame"/>.</summary>
    internal BroadcastFrame Frame => _frame ??= new BroadcastFrame(Type.ToOpcode(), Data.Span, Flags);

    /// <summary>The message as the feed's item, in JSON: made once for all who ask soon.</summary>
    internal ReadOnlyMemory<byte> Item => _item ?? (_item = FeedJson.EncodeItem(this));

    /// <summary>Gives it its place. Once, before anybody else sees it.</summary>
    internal void Place(TopicPosition position, DateTimeOffset time)
    {
        Position = position;
        _time = time;
    }

    /// <summary>The same message, for one reader: an item that is made of it goes with it.</summary>
    internal TopicMessage Apart() => new(Position, Type, Data) { IsJson = IsJson, IdempotencyKey = IdempotencyKey, Flags = Flags, Time = Time };

    /// <summary>Whether the one message comes right behind the other.</summary>
    internal bool Follows(TopicPosition position) => Position.Epoch == position.Epoch && Position.Offset == position.Offset + 1;

    /// <summary>Lets go of the frame, and what was compressed with it; its payload stays. Under the lock of the topic's publishing.</summary>
    internal void ReleaseFrame() => _frame = null;

    /// <summary>Lets go of the item: whoever asks for one this old gets a new one.</summary>
    internal void ReleaseItem() => _item = null;
}
