using System.Buffers;
using System.Text.Json;
using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue.AspNetCore;

/// <summary>What the server says in the subprotocol <c>duologue.topics.v1</c>. Source: docs/topics-protocol.md.</summary>
internal static class TopicsProtocol
{
    public const string Name = "duologue.topics.v1";

    /// <summary>The frame of what was published.</summary>
    public static BroadcastFrame ItemsFrame(string topic, TopicPage page) =>
        new(Opcode.Text, EncodeItems(topic, page), FeedJson.FlagsOf(page));

    /// <summary>The frame of the notice that messages are gone.</summary>
    public static BroadcastFrame ResetFrame(string topic, TopicPage page) =>
        new(Opcode.Text, EncodeItems(topic, FeedJson.NoticeOf(page)), MessageFlags.None);

    /// <summary>The frame of the notice that messages of a pattern's topics may be gone. They have no place in common.</summary>
    public static BroadcastFrame MissedFrame(string pattern)
    {
        ArrayBufferWriter<byte> output = Begin(pattern);
        output.Write("\"items\":[],\"reset\":true,\"lost\":null}"u8);
        return new BroadcastFrame(Opcode.Text, output.WrittenSpan, MessageFlags.None);
    }

    /// <summary>A page of a topic.</summary>
    public static ReadOnlySpan<byte> EncodeItems(string topic, TopicPage page)
    {
        ArrayBufferWriter<byte> output = Begin(topic);
        FeedJson.WritePageBody(output, page);
        return output.WrittenSpan;
    }

    /// <summary>The frame that says who is there.</summary>
    public static BroadcastFrame PresentFrame(string topic, TopicSubscriber[] present) => new(
        Opcode.Text,
        JsonSerializer.SerializeToUtf8Bytes(new PresentMessage(topic, [.. present.Select(PresentSubscriber.From)]), FeedContext.Default.PresentMessage),
        MessageFlags.None);

    /// <summary>The frame that says who has joined or left.</summary>
    public static BroadcastFrame PresenceFrame(string topic, bool joined, TopicSubscriber subscriber) => new(
        Opcode.Text,
        JsonSerializer.SerializeToUtf8Bytes(
            new PresenceMessage(joined ? "joined" : "left", topic, PresentSubscriber.From(subscriber)), FeedContext.Default.PresenceMessage),
        MessageFlags.None);

    private static ArrayBufferWriter<byte> Begin(string topic)
    {
        var output = new ArrayBufferWriter<byte>(256);
        output.Write("{\"type\":\"items\",\"topic\":\""u8);
        output.Write(JsonEncodedText.Encode(topic, FeedJson.Encoder).EncodedUtf8Bytes);
        output.Write("\","u8);
        return output;
    }
}
