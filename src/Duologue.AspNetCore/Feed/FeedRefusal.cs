namespace Duologue.AspNetCore;

/// <summary>Why the feed refuses a request: what is answered, counted and logged.</summary>
internal readonly record struct FeedRefusal(FeedRefusalReason Reason, int StatusCode, string Sentence);

/// <summary>Every way to be refused by the feed. A WebSocket's opening handshake has others: <see cref="RefusalReason"/>.</summary>
internal enum FeedRefusalReason
{
    /// <summary>Neither GET nor POST.</summary>
    Method,

    /// <summary>A page of an origin that is not allowed.</summary>
    Origin,

    /// <summary>No topic is named, or its name breaks a rule.</summary>
    Name,

    /// <summary>A cursor is none.</summary>
    Cursor,

    /// <summary>Another parameter is out of its range.</summary>
    Parameter,

    /// <summary>An idempotency key breaks a rule.</summary>
    Key,

    /// <summary>The body has a type that cannot be published.</summary>
    MediaType,

    /// <summary>The body is not what its type says.</summary>
    Body,

    /// <summary>The body is larger than <see cref="DuologueEndpointOptions.MaxMessageSize"/>.</summary>
    BodyTooLarge,

    /// <summary>The endpoint does not allow publishing.</summary>
    PublishingOff,

    /// <summary>The application does not allow this topic to this client.</summary>
    Forbidden,

    /// <summary><see cref="DuologueOptions.MaxTopics"/>.</summary>
    TopicLimit,

    /// <summary>Topics are stored elsewhere, and that is away.</summary>
    BrokerUnavailable,

    /// <summary><see cref="DuologueOptions.MaxConnections"/>: a held request is one.</summary>
    ConnectionLimit,

    /// <summary><see cref="DuologueOptions.MaxConnectionsPerAddress"/>: a held request is one.</summary>
    AddressLimit,

    /// <summary>The server is shutting down.</summary>
    Draining,
}

internal static class FeedRefusalReasons
{
    /// <summary>The reason as the value of a metric's attribute.</summary>
    public static string Name(this FeedRefusalReason reason) => reason switch
    {
        FeedRefusalReason.Method => "method",
        FeedRefusalReason.Origin => "origin",
        FeedRefusalReason.Name => "name",
        FeedRefusalReason.Cursor => "cursor",
        FeedRefusalReason.Parameter => "parameter",
        FeedRefusalReason.Key => "key",
        FeedRefusalReason.MediaType => "media_type",
        FeedRefusalReason.Body => "body",
        FeedRefusalReason.BodyTooLarge => "body_too_large",
        FeedRefusalReason.PublishingOff => "publishing_off",
        FeedRefusalReason.Forbidden => "forbidden",
        FeedRefusalReason.TopicLimit => "topic_limit",
        FeedRefusalReason.BrokerUnavailable => "broker_unavailable",
        FeedRefusalReason.ConnectionLimit => "connection_limit",
        FeedRefusalReason.AddressLimit => "address_limit",
        FeedRefusalReason.Draining => "draining",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, null),
    };
}
