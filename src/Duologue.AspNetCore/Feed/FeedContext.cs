using System.Text.Json;
using System.Text.Json.Serialization;

namespace Duologue.AspNetCore;

/// <summary>What the feed writes and reads as JSON, beside pages. Source-generated. A request is one level deeper than the value in it, which may have 64 (<see cref="FeedJson.Compact"/>).</summary>
[JsonSourceGenerationOptions(MaxDepth = 65, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(PublishedAnswer))]
[JsonSerializable(typeof(PresenceMessage))]
[JsonSerializable(typeof(PresentMessage))]
[JsonSerializable(typeof(TopicsRequest))]
[JsonSerializable(typeof(SubscribedMessage))]
[JsonSerializable(typeof(DoneMessage))]
[JsonSerializable(typeof(PublishedMessage))]
[JsonSerializable(typeof(ErrorMessage))]
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class FeedContext : JsonSerializerContext;

/// <summary>The answer to a POST.</summary>
internal sealed record PublishedAnswer(string Id);

/// <summary>A subscriber, as clients see it.</summary>
internal sealed record PresentSubscriber(string Id, string? User)
{
    // No name of a node has a slash.
    public static PresentSubscriber From(TopicSubscriber subscriber) => new(subscriber.Node is { } node ? $"{node}/{subscriber.Id}" : subscriber.Id, subscriber.UserId);
}

/// <summary><c>joined</c>, <c>left</c>.</summary>
internal sealed record PresenceMessage(string Type, string Topic, PresentSubscriber Subscriber);

/// <summary><c>present</c>.</summary>
internal sealed record PresentMessage(string Topic, PresentSubscriber[] Subscribers)
{
    public string Type { get; } = "present";
}

/// <summary>Anything that a client says.</summary>
internal sealed class TopicsRequest
{
    public string? Type { get; init; }

    public string? Topic { get; init; }

    /// <summary>A number or a string of the client's, repeated in the answer.</summary>
    public JsonElement? Ref { get; init; }

    public string? After { get; init; }

    public bool Presence { get; init; }

    /// <summary>Undefined where it is left out: null is a value like others.</summary>
    public JsonElement Data { get; init; }

    public string? Encoding { get; init; }

    /// <summary>By what a repeat of the publication is known.</summary>
    public string? Key { get; init; }

    /// <summary>The key of a publish that this one is to come behind.</summary>
    public string? Behind { get; init; }
}

/// <summary><c>subscribed</c>.</summary>
internal sealed record SubscribedMessage(string Topic, JsonElement? Ref)
{
    public string Type { get; } = "subscribed";
}

/// <summary><c>unsubscribed</c>, <c>pong</c>.</summary>
internal sealed record DoneMessage(string Type, string? Topic, JsonElement? Ref);

/// <summary><c>published</c>.</summary>
internal sealed record PublishedMessage(string Topic, JsonElement? Ref, string Id)
{
    public string Type { get; } = "published";
}

/// <summary><c>error</c>.</summary>
internal sealed record ErrorMessage(string Code, string Message, string? Topic, JsonElement? Ref)
{
    public string Type { get; } = "error";

    /// <summary>Which limit is reached, where one is.</summary>
    public string? Limit { get; init; }
}
