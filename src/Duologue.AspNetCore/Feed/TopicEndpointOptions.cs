using System.Security.Claims;

namespace Duologue.AspNetCore;

/// <summary>
/// What an endpoint that <c>MapTopics</c> made may set for its clients: who may read and publish what, how long a request is held, how much one answer has; and for its WebSockets, all that
/// <see cref="DuologueEndpointOptions"/> has, but that <see cref="DuologueEndpointOptions.SendQueuePolicy"/> is <see cref="SendQueuePolicy.Close"/>, whatever the server's is: who is closed comes back from where
/// it was and is told what is gone, who is dropped a message is not. Its origins are those of all ways; <see cref="DuologueEndpointOptions.MaxMessageSize"/> is also the most that is published in one request.
/// Not thread-safe; read once, when the endpoint is mapped.
/// </summary>
public sealed class TopicEndpointOptions : DuologueEndpointOptions
{
    internal TopicEndpointOptions(DuologueEndpointOptions source)
    {
        CopyFrom(source);

        // The server's is for messages without a position: a page that is dropped from between two others leaves a gap that nobody is told of.
        SendQueuePolicy = SendQueuePolicy.Close;
    }

    /// <summary>Whether clients may publish, by HTTP and by WebSocket. Default false: 403, or on a WebSocket close 1008 or an error.</summary>
    public bool AllowPublishing { get; set; }

    /// <summary>
    /// Whether somebody may read a topic; also asked for each topic that a wildcard stands for. Default null: whoever may use the endpoint may read all. Must not block. If it
    /// throws, that is logged, and the answer is no.
    /// </summary>
    public Func<TopicAccess, bool>? AuthorizeSubscribe { get; set; }

    /// <summary>Whether somebody may publish to a topic, if <see cref="AllowPublishing"/>. Default null: to all. Must not block. If it throws, that is logged, and the answer is no.</summary>
    public Func<TopicAccess, bool>? AuthorizePublish { get; set; }

    /// <summary>The longest that a request is held (<c>wait</c>). Default 55 s, which is less than the 60 s of common proxies; positive, at most 1 h. A longer wait is cut to it.</summary>
    public TimeSpan MaxWait { get; set; } = TimeSpan.FromSeconds(55);

    /// <summary>The most messages of one answer (<c>limit</c>). Default 1,000; at least 1. A larger limit is cut to it; a request that names none gets 100.</summary>
    public int MaxItems { get; set; } = 1_000;

    /// <summary>The bytes of payload of one answer. Default 1 MiB; at least 1. Passed: the rest is in the next one. A single message is sent however large it is.</summary>
    public int MaxPageBytes { get; set; } = 1024 * 1024;

    internal IEnumerable<string> FindFailures(string where)
    {
        if (SendQueuePolicy != SendQueuePolicy.Close)
        {
            yield return $"{where}: {nameof(SendQueuePolicy)} is {SendQueuePolicy}; of topics it can be {nameof(SendQueuePolicy.Close)} only. Who is closed comes back from where it was; who is dropped a message would not be told.";
        }

        if (MaxWait <= TimeSpan.Zero || MaxWait > TimeSpan.FromHours(1))
        {
            yield return $"{where}: {nameof(MaxWait)} is {MaxWait}; it must be positive and at most 1 h.";
        }

        if (MaxItems < 1)
        {
            yield return $"{where}: {nameof(MaxItems)} is {MaxItems}; it must be at least 1 (messages).";
        }

        if (MaxPageBytes < 1)
        {
            yield return $"{where}: {nameof(MaxPageBytes)} is {MaxPageBytes}; it must be at least 1 (bytes).";
        }
    }
}

/// <summary>Somebody who wants to read a topic, or to publish to it.</summary>
/// <param name="Topic">The topic's name.</param>
/// <param name="User">Who authentication says the client is; unauthenticated if nobody.</param>
public readonly record struct TopicAccess(string Topic, ClaimsPrincipal User);
