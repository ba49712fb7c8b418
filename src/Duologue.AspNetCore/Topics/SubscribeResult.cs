namespace Duologue.AspNetCore;

/// <summary>What became of a subscription that was to begin at a place.</summary>
/// <param name="IsSubscribed">False if the connection was subscribed already, has closed, or was unsubscribed meanwhile.</param>
/// <param name="Position">Up to where it had the topic when the messages began to come as they are published.</param>
/// <param name="IsReset">Whether messages between the place and the first that was sent are gone, or may be.</param>
/// <param name="Lost">How many messages are known lost, if <paramref name="IsReset"/>; null if that cannot be known, because the topic has begun anew.</param>
public readonly record struct SubscribeResult(bool IsSubscribed, TopicPosition Position, bool IsReset, long? Lost);
