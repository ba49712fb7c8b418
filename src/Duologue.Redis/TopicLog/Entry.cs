using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Duologue.AspNetCore;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>
/// A message as it stands in a log and in a notification: a byte of kind and flags, the node that appended it and its number there (8 bytes each, for repeats), the server's time in 13 digits, the payload.
/// </summary>
internal static class Entry
{
    public const int HeadLength = 17;

    private const int TimeLength = 13;
    private const byte Binary = 1;
    private const byte Json = 2;
    private const int FlagsShift = 2;

    public static byte[] HeadOf(TopicMessage message, long node, long number)
    {
        byte[] head = new byte[HeadLength];
        head[0] = (byte)((message.Type == MessageType.Binary ? Binary : 0) | (message.IsJson ? Json : 0) | ((int)message.Flags << FlagsShift));
        BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(1), node);
        BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(9), number);
        return head;
    }

    /// <exception cref="FormatException">It is no entry.</exception>
    public static TopicMessage Decode(ReadOnlyMemory<byte> entry, TopicPosition position)
    {
        ReadOnlySpan<byte> span = entry.Span;
        if (span.Length < HeadLength + TimeLength || !Utf8Parser.TryParse(span.Slice(HeadLength, TimeLength), out long time, out int length) || length != TimeLength)
        {
            throw new FormatException("What stands in the log is no entry of this version.");
        }

        return new TopicMessage(position, (span[0] & Binary) != 0 ? MessageType.Binary : MessageType.Text, entry[(HeadLength + TimeLength)..])
        {
            IsJson = (span[0] & Json) != 0,
            Flags = (MessageFlags)(span[0] >> FlagsShift),
            Time = DateTimeOffset.FromUnixTimeMilliseconds(time),
        };
    }

    /// <summary>Reads a notification: the layout's version, and for each entry epoch, offset, the lengths in bytes of the topic's name and of the entry, both. False if it is none of this layout.</summary>
    public static bool TryReadNotification(ReadOnlyMemory<byte> payload, int layout, out List<AppendedMessage> messages)
    {
        messages = [];
        ReadOnlyMemory<byte> rest = payload;
        if (!TryTake(ref rest, out long version) || version != layout || rest.IsEmpty)
        {
            return false;
        }

        while (!rest.IsEmpty)
        {
            if (!TryTake(ref rest, out long epoch) || !TryTake(ref rest, out long offset) || !TryTake(ref rest, out long name) || !TryTake(ref rest, out long entry)
                || name < 0 || entry < 0 || name > rest.Length || entry > rest.Length - name)
            {
                return false;
            }

            string topic = Encoding.UTF8.GetString(rest.Span[..(int)name]);
            ReadOnlyMemory<byte> told = rest.Slice((int)name, (int)entry);
            rest = rest[(int)(name + entry)..];

            // A copy where others stand beside it: who keeps one small message must not keep all of them.
            messages.Add(new AppendedMessage(topic, Decode(messages.Count == 0 && rest.IsEmpty ? told : told.ToArray(), new TopicPosition(epoch, offset))));
        }

        return true;
    }

    /// <summary>Which layout's version a notification is of; null if it is none.</summary>
    public static long? LayoutOf(ReadOnlyMemory<byte> payload) => TryTake(ref payload, out long version) ? version : null;

    /// <summary>Reads the answer to publishes, a line for each: what became of it, epoch, offset, time; or that it failed, or is untold, and why.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static AppendAnswer[] AnswersOf(RedisResult result, int count)
    {
        ReadOnlyMemory<byte> rest = (byte[])result!;
        var answers = new AppendAnswer[count];
        for (int i = 0; i < count; i++)
        {
            int length = rest.Span.IndexOf((byte)'\n');
            if (length < 0 != (i == count - 1))
            {
                throw new FormatException("What the script answered is not an answer to each publish.");
            }

            answers[i] = AnswerOf(length < 0 ? rest : rest[..length]);
            rest = rest[(length + 1)..];
        }

        return answers;
    }

    private static AppendAnswer AnswerOf(ReadOnlyMemory<byte> rest)
    {
        if (!TryTake(ref rest, out long outcome))
        {
            throw new FormatException("What the script answered is no answer of this version.");
        }

        if (outcome is (long)AppendOutcome.Failed or (long)AppendOutcome.Untold)
        {
            return new AppendAnswer((AppendOutcome)outcome, default, default, Encoding.UTF8.GetString(rest.Span));
        }

        if (!TryTake(ref rest, out long epoch) || !TryTake(ref rest, out long offset) || !Utf8Parser.TryParse(rest.Span, out long time, out int length) || length != rest.Length)
        {
            throw new FormatException("What the script answered is no answer of this version.");
        }

        return new AppendAnswer((AppendOutcome)outcome, new TopicPosition(epoch, offset), DateTimeOffset.FromUnixTimeMilliseconds(time), null);
    }

    public static TopicPage PageOf(RedisResult result)
    {
        var parts = (RedisResult[])result!;
        long epoch = long.Parse((string)parts[0]!, CultureInfo.InvariantCulture);
        long head = long.Parse((string)parts[1]!, CultureInfo.InvariantCulture);
        long from = long.Parse((string)parts[2]!, CultureInfo.InvariantCulture);
        long lost = (long)parts[3];
        var entries = (RedisResult[])parts[4]!;
        var messages = new TopicMessage[entries.Length];
        for (int i = 0; i < entries.Length; i++)
        {
            messages[i] = Decode((byte[])entries[i]!, new TopicPosition(epoch, from + i + 1));
        }

        long next = from + entries.Length;
        return new TopicPage(messages, new TopicPosition(epoch, next), HasMore: next < head && entries.Length > 0) { IsReset = lost != 0, Lost = lost > 0 ? lost : null };
    }

    private static bool TryTake(ref ReadOnlyMemory<byte> rest, out long number)
    {
        if (!Utf8Parser.TryParse(rest.Span, out number, out int length) || length >= rest.Length || rest.Span[length] != (byte)' ')
        {
            return false;
        }

        rest = rest[(length + 1)..];
        return true;
    }
}

/// <summary>What became of a publish; the numbers are the script's.</summary>
internal enum AppendOutcome
{
    /// <summary>It is there, and was before.</summary>
    Repeated = 0,
    Appended = 1,

    /// <summary>It was there before, and nothing tells where.</summary>
    Trimmed = 2,

    /// <summary>The one before it is not there: it comes again behind that.</summary>
    Early = 3,

    /// <summary>The server has refused it.</summary>
    Failed = 4,

    /// <summary>It is there, but the server refuses to tell the nodes of it.</summary>
    Untold = 5,
}

/// <summary>The script's answer to a publish.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="Position">Where it stands.</param>
/// <param name="Time">When it was appended, or asked for again.</param>
/// <param name="Refusal">The server's words, if it has refused it.</param>
internal readonly record struct AppendAnswer(AppendOutcome Outcome, TopicPosition Position, DateTimeOffset Time, string? Refusal);
