using System.Globalization;
using System.Text;
using Duologue.AspNetCore;

namespace Duologue.Redis;

/// <summary>Somebody has joined or left a topic.</summary>
internal readonly record struct PresenceChange(bool Joined, string Topic, TopicSubscriber Subscriber);

/// <summary>
/// What a node tells of its subscribers: some changes, or none, as it does with every heartbeat. The numbers say what a node that has heard all before has missed.
/// </summary>
/// <param name="Incarnation">Which start of which node it is.</param>
/// <param name="Generation">How often the node has written its subscribers anew.</param>
/// <param name="Number">Of the last change, these included; counted from each generation.</param>
/// <param name="Changes">In order.</param>
internal sealed record PresenceMessage(string Incarnation, long Generation, long Number, IReadOnlyList<PresenceChange> Changes)
{
    /// <summary>The generation of a node that has gone.</summary>
    public const long Gone = -1;

    private const byte Version = 1;

    public byte[] Encode()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write(Version);
        writer.Write(Incarnation);
        writer.Write(Generation);
        writer.Write(Number);
        writer.Write(Changes.Count);
        foreach ((bool joined, string topic, TopicSubscriber subscriber) in Changes)
        {
            writer.Write(joined);
            writer.Write(topic);
            writer.Write(subscriber.Id);
            writer.Write(subscriber.UserId is not null);
            writer.Write(subscriber.UserId ?? "");
        }

        writer.Flush();
        return stream.ToArray();
    }

    /// <exception cref="FormatException">It is none of this version.</exception>
    public static PresenceMessage Decode(byte[] payload)
    {
        try
        {
            using var reader = new BinaryReader(new MemoryStream(payload), Encoding.UTF8);
            if (reader.ReadByte() != Version)
            {
                throw new FormatException("It is of another version.");
            }

            (string incarnation, long generation, long number, int count) = (reader.ReadString(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt32());
            var changes = new List<PresenceChange>();
            for (int i = 0; i < count; i++)
            {
                (bool joined, string topic, string id) = (reader.ReadBoolean(), reader.ReadString(), reader.ReadString());
                (bool hasUser, string user) = (reader.ReadBoolean(), reader.ReadString());
                changes.Add(new PresenceChange(joined, topic, new TopicSubscriber(id, hasUser ? user : null)));
            }

            return new PresenceMessage(incarnation, generation, number, changes);
        }
        catch (IOException error)
        {
            throw new FormatException("It is cut off.", error);
        }
    }

    /// <summary>The field of a subscriber in its node's hash: the length of the id, the id, the topic.</summary>
    public static string FieldOf(string topic, string id) => string.Create(CultureInfo.InvariantCulture, $"{id.Length}:{id}{topic}");

    /// <summary>The value of that field.</summary>
    public static string ValueOf(TopicSubscriber subscriber) => subscriber.UserId is { } user ? "u" + user : "-";

    /// <summary>Reads a field and its value; false if it is none of a subscriber.</summary>
    public static bool TryRead(string field, string value, out string topic, out TopicSubscriber subscriber)
    {
        (topic, subscriber) = ("", default);
        int colon = field.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0 || value.Length == 0 || !int.TryParse(field.AsSpan(0, colon), NumberStyles.None, CultureInfo.InvariantCulture, out int length) || length > field.Length - colon - 1)
        {
            return false;
        }

        topic = field[(colon + 1 + length)..];
        subscriber = new TopicSubscriber(field.Substring(colon + 1, length), value[0] == 'u' ? value[1..] : null);
        return true;
    }
}
