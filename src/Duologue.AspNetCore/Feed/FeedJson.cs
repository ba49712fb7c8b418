using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue.AspNetCore;

/// <summary>Messages as JSON: an item <c>{"id","time","data"}</c>, and a page of them <c>{"items","next","reset"}</c>. All ways of the feed send the same.</summary>
internal static class FeedJson
{
    // The feed is never part of a page's HTML: what needs no escaping in JSON is sent as it is.
    public static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = Encoder, SkipValidation = true };

    // Deeper than this the base class library's own readers refuse, too.
    private static readonly JsonDocumentOptions ReaderOptions = new() { MaxDepth = 64 };

    private static ReadOnlySpan<byte> Head => "\"items\":["u8;

    /// <summary>A valid JSON value without white space between its parts, and so without line ends.</summary>
    /// <exception cref="JsonException">It is not one JSON value.</exception>
    /// <exception cref="InvalidOperationException">A name or a string in it has half of a surrogate pair, as an escape: that is JSON, and no text.</exception>
    public static byte[] Compact(ReadOnlyMemory<byte> json)
    {
        using JsonDocument document = JsonDocument.Parse(json, ReaderOptions);
        var output = new ArrayBufferWriter<byte>(json.Length + 16);
        using (var writer = new Utf8JsonWriter(output, WriterOptions))
        {
            document.WriteTo(writer);
        }

        return output.WrittenSpan.ToArray();
    }

    /// <summary>The item of a message.</summary>
    public static byte[] EncodeItem(TopicMessage message)
    {
        var output = new ArrayBufferWriter<byte>(message.Data.Length + 128);
        using (var writer = new Utf8JsonWriter(output, WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteString("id"u8, message.Position.ToString());
            writer.WriteNumber("time"u8, message.Time.ToUnixTimeMilliseconds());
            if (message.Type == MessageType.Binary)
            {
                writer.WriteString("type"u8, "binary"u8);
                writer.WriteBase64String("data"u8, message.Data.Span);
            }
            else if (message.IsJson)
            {
                writer.WritePropertyName("data"u8);
                writer.WriteRawValue(message.Data.Span, skipInputValidation: true);
            }
            else
            {
                writer.WriteString("data"u8, message.Data.Span);
            }

            writer.WriteEndObject();
        }

        return output.WrittenSpan.ToArray();
    }

    /// <summary>How long a page is, in bytes.</summary>
    public static long LengthOf(TopicPage page)
    {
        long length = "{"u8.Length + Head.Length + TailOf(page).Length + Math.Max(0, page.Messages.Count - 1);
        foreach (TopicMessage message in page.Messages)
        {
            length += message.Item.Length;
        }

        return length;
    }

    /// <summary>Writes a page.</summary>
    public static void WritePage(IBufferWriter<byte> output, TopicPage page)
    {
        output.Write("{"u8);
        WritePageBody(output, page);
    }

    /// <summary>Writes a page's members and its end, for who has begun the object.</summary>
    public static void WritePageBody(IBufferWriter<byte> output, TopicPage page)
    {
        output.Write(Head);
        for (int i = 0; i < page.Messages.Count; i++)
        {
            if (i > 0)
            {
                output.Write(","u8);
            }

            output.Write(page.Messages[i].Item.Span);
        }

        WriteAscii(output, TailOf(page));
    }

    /// <summary>The frame of a page.</summary>
    public static BroadcastFrame PageFrame(TopicPage page)
    {
        var output = new ArrayBufferWriter<byte>(256);
        WritePage(output, page);
        return new BroadcastFrame(Opcode.Text, output.WrittenSpan, FlagsOf(page));
    }

    /// <summary>What is special about a page: all that is about one of its messages. One that must not be compressed keeps those beside it from that, too.</summary>
    public static MessageFlags FlagsOf(TopicPage page)
    {
        MessageFlags flags = MessageFlags.None;
        foreach (TopicMessage message in page.Messages)
        {
            flags |= message.Flags;
        }

        return flags;
    }

    /// <summary>The frame of the notice that messages are gone.</summary>
    public static BroadcastFrame ResetFrame(TopicPage page)
    {
        var output = new ArrayBufferWriter<byte>(128);
        WritePage(output, NoticeOf(page));
        return new BroadcastFrame(Opcode.Text, output.WrittenSpan, MessageFlags.None);
    }

    /// <summary>A page's notice without its messages, to continue before the first of them.</summary>
    public static TopicPage NoticeOf(TopicPage page) => page.Messages.Count == 0 ? page : page with
    {
        Messages = [],
        Next = page.Messages[0].Position with { Offset = page.Messages[0].Position.Offset - 1 },
    };

    private static string TailOf(TopicPage page)
    {
        string reset = page.IsReset ? $"true,\"lost\":{page.Lost?.ToString(CultureInfo.InvariantCulture) ?? "null"}" : "false";
        return $"],\"next\":\"{page.Next}\",\"reset\":{reset}}}";
    }

    public static void WriteAscii(IBufferWriter<byte> output, string text)
    {
        Span<byte> span = output.GetSpan(text.Length);
        output.Advance(Encoding.ASCII.GetBytes(text, span));
    }
}
