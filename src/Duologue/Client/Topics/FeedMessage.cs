using System.Text.Json;

namespace Duologue.Client;

/// <summary>
/// What a server says about topics, in JSON: a page of the feed, or a message of <c>duologue.topics.v1</c>, which has a page's members, too. Members that are not known are
/// ignored. Source: docs/topics.md, docs/topics-protocol.md.
/// </summary>
internal sealed class FeedMessage
{
    private const string WrongValue = "A member has a value of the wrong type or range.";

    // A server takes values as deep as JSON's readers usually do (64), and the page around them is deeper. Reading does not recurse.
    private static readonly JsonReaderOptions ReaderOptions = new() { MaxDepth = 256 };

    public string? Type { get; private set; }

    public string? Topic { get; private set; }

    public string? Ref { get; private set; }

    public string? Id { get; private set; }

    public string? Code { get; private set; }

    public string? Sentence { get; private set; }

    public string? Limit { get; private set; }

    public List<TopicItem> Items { get; } = [];

    /// <summary>Who subscribes: all of <c>present</c>, or the one of <c>joined</c> and <c>left</c>.</summary>
    public List<TopicPeer> Peers { get; } = [];

    public string? Next { get; private set; }

    public bool IsReset { get; private set; }

    public long? Lost { get; private set; }

    /// <summary>Of a page that is too large to be read: what stands first in it. Null if it was read.</summary>
    public LargeMessage? TooLarge { get; private set; }

    /// <summary>Reads a message.</summary>
    /// <param name="json">The bytes.</param>
    /// <param name="topic">What its items are of; null if the message says so itself, before them.</param>
    /// <exception cref="JsonException">It is none.</exception>
    public static FeedMessage Parse(ReadOnlySpan<byte> json, string? topic)
    {
        try
        {
            var message = new FeedMessage { Topic = topic };
            message.Read(json);
            return message;
        }
        catch (Exception e) when (IsWrongValue(e))
        {
            throw new JsonException(WrongValue, e);
        }
    }

    /// <summary>What is known of a message, or page, that is too large to be read. It has no items; <see cref="Next"/> is behind what was in it, as far as that is known.</summary>
    /// <param name="beginning">Its first bytes.</param>
    /// <param name="end">Its last bytes; none if they are not known.</param>
    /// <param name="topic">What its items are of; null if it says so itself, before them.</param>
    /// <exception cref="JsonException">It is none.</exception>
    public static FeedMessage OfTooLarge(ReadOnlySpan<byte> beginning, ReadOnlySpan<byte> end, string? topic)
    {
        try
        {
            var message = new FeedMessage { Topic = topic };
            string? first = message.ReadBeginning(beginning);
            message.TooLarge = new LargeMessage(first, message.TryReadEnd(end) && message.Next == first);
            message.Next ??= first;
            return message;
        }
        catch (Exception e) when (IsWrongValue(e))
        {
            throw new JsonException(WrongValue, e);
        }
    }

    /// <summary>Reads one item, as server-sent events have it.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static TopicItem ParseItem(ReadOnlySpan<byte> json, string topic)
    {
        try
        {
            var reader = new Utf8JsonReader(json, ReaderOptions);
            reader.Read();
            return ReadItem(ref reader, json, topic);
        }
        catch (Exception e) when (IsWrongValue(e))
        {
            throw new JsonException(WrongValue, e);
        }
    }

    // Of another type, no Base64, or a time that no calendar has.
    private static bool IsWrongValue(Exception e) => e is InvalidOperationException or FormatException or ArgumentOutOfRangeException;

    private void Read(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, ReaderOptions);
        reader.Read();
        Expect(ref reader, JsonTokenType.StartObject);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("items"u8))
            {
                reader.Read();
                ReadItems(ref reader, json);
            }
            else if (reader.ValueTextEquals("subscribers"u8))
            {
                reader.Read();
                Expect(ref reader, JsonTokenType.StartArray);
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    Peers.Add(ReadPeer(ref reader));
                }
            }
            else if (reader.ValueTextEquals("subscriber"u8))
            {
                reader.Read();
                Peers.Add(ReadPeer(ref reader));
            }
            else if (reader.ValueTextEquals("lost"u8))
            {
                reader.Read();
                Lost = reader.TokenType == JsonTokenType.Null ? null : reader.GetInt64();
            }
            else if (reader.ValueTextEquals("reset"u8))
            {
                reader.Read();
                IsReset = reader.GetBoolean();
            }
            else
            {
                ReadText(ref reader);
            }
        }
    }

    // Up to the payload of the first item, whose id is given; null if it is not found.
    private string? ReadBeginning(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, isFinalBlock: false, new JsonReaderState(ReaderOptions));
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName)
            {
                continue;
            }

            if (reader.ValueTextEquals("items"u8))
            {
                bool isFirstId = reader.Read() && reader.TokenType == JsonTokenType.StartArray && reader.Read() && reader.TokenType == JsonTokenType.StartObject
                    && reader.Read() && reader.ValueTextEquals("id"u8) && reader.Read();
                return isFirstId ? reader.GetString() : null;
            }

            if (reader.ValueTextEquals("subscribers"u8))
            {
                // Its type stands behind them.
                Type ??= "present";
                return null;
            }

            bool isType = reader.ValueTextEquals("type"u8);
            bool isTopic = reader.ValueTextEquals("topic"u8);
            if ((isType || isTopic) && reader.Read())
            {
                (Type, Topic) = isType ? (reader.GetString(), Topic) : (Type, reader.GetString());
            }
        }

        return null;
    }

    // Behind the items stand the members that say where the page ends. A payload that looks like them is followed by more than the end of one object.
    private bool TryReadEnd(ReadOnlySpan<byte> json)
    {
        int at = json.LastIndexOf("],\"next\":"u8);
        if (at < 0)
        {
            return false;
        }

        byte[] members = json[(at + 1)..].ToArray();
        members[0] = (byte)'{';
        try
        {
            using JsonDocument whole = JsonDocument.Parse(members);
            Read(members);
            return true;
        }
        catch (JsonException)
        {
            // What is not known is not told: the notice has no number then.
            return false;
        }
    }

    private void ReadText(ref Utf8JsonReader reader)
    {
        string name = reader.GetString()!;
        reader.Read();
        switch (name)
        {
            case "type":
                Type = reader.GetString();
                break;
            case "topic":
                Topic = reader.GetString();
                break;
            case "ref" when reader.TokenType == JsonTokenType.String:
                Ref = reader.GetString();
                break;
            case "id":
                Id = reader.GetString();
                break;
            case "code":
                Code = reader.GetString();
                break;
            case "message":
                Sentence = reader.GetString();
                break;
            case "limit" when reader.TokenType == JsonTokenType.String:
                Limit = reader.GetString();
                break;
            case "next":
                Next = reader.GetString();
                break;
            default:
                reader.Skip();
                break;
        }
    }

    private void ReadItems(ref Utf8JsonReader reader, ReadOnlySpan<byte> json)
    {
        Expect(ref reader, JsonTokenType.StartArray);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            Items.Add(ReadItem(ref reader, json, Topic ?? ""));
        }
    }

    private static TopicItem ReadItem(ref Utf8JsonReader reader, ReadOnlySpan<byte> json, string topic)
    {
        Expect(ref reader, JsonTokenType.StartObject);
        string? id = null;
        long time = 0;
        bool isBinary = false;
        bool isJson = false;
        byte[]? data = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("id"u8))
            {
                reader.Read();
                id = reader.GetString();
            }
            else if (reader.ValueTextEquals("time"u8))
            {
                reader.Read();
                time = reader.GetInt64();
            }
            else if (reader.ValueTextEquals("type"u8))
            {
                reader.Read();
                isBinary = reader.ValueTextEquals("binary"u8);
            }
            else if (reader.ValueTextEquals("data"u8))
            {
                reader.Read();
                isJson = reader.TokenType != JsonTokenType.String;
                data = isJson ? ReadRaw(ref reader, json) : ReadString(ref reader);
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        if (id is null || data is null)
        {
            throw new JsonException("An item has no id, or no data.");
        }

        return new TopicItem(topic, id)
        {
            Time = DateTimeOffset.FromUnixTimeMilliseconds(time),
            Type = isBinary ? MessageType.Binary : MessageType.Text,
            IsJson = isJson,
            Data = isBinary ? Convert.FromBase64String(System.Text.Encoding.ASCII.GetString(data)) : data,
        };
    }

    private static TopicPeer ReadPeer(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartObject);
        string? id = null;
        string? user = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isId = reader.ValueTextEquals("id"u8);
            bool isUser = reader.ValueTextEquals("user"u8);
            reader.Read();
            if (isId)
            {
                id = reader.GetString();
            }
            else if (isUser)
            {
                user = reader.GetString();
            }
            else
            {
                reader.Skip();
            }
        }

        return new TopicPeer(id ?? throw new JsonException("A subscriber has no id."), user);
    }

    private static byte[] ReadString(ref Utf8JsonReader reader)
    {
        byte[] bytes = new byte[reader.ValueSpan.Length];
        int length = reader.CopyString(bytes);
        return length == bytes.Length ? bytes : bytes[..length];
    }

    private static byte[] ReadRaw(ref Utf8JsonReader reader, ReadOnlySpan<byte> json)
    {
        int start = (int)reader.TokenStartIndex;
        reader.Skip();
        return json[start..(int)reader.BytesConsumed].ToArray();
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (reader.TokenType != type)
        {
            throw new JsonException($"There is a {reader.TokenType} where a {type} belongs.");
        }
    }
}

/// <summary>What stands first in a page that is too large to be read.</summary>
/// <param name="Cursor">The place behind it; null if that is not known.</param>
/// <param name="IsAlone">Whether the page is known to have nothing else: else several may be too large together.</param>
internal readonly record struct LargeMessage(string? Cursor, bool IsAlone)
{
    /// <summary>How many messages are given up with it; null if that is not known.</summary>
    public long? Lost => IsAlone ? 1 : null;
}
