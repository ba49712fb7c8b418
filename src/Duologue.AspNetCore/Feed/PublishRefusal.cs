namespace Duologue.AspNetCore;

/// <summary>Why a publish over a WebSocket was not done, as values of a metric's attribute. Source: docs/operations.md.</summary>
internal static class PublishRefusal
{
    public const string BadTopic = "bad_topic";
    public const string BadRequest = "bad_request";
    public const string Forbidden = "forbidden";
    public const string Limit = "limit";

    /// <summary>What stores the topics is away; the message may be there or not.</summary>
    public const string Unavailable = "unavailable";

    /// <summary>The one that it was to come behind was not done.</summary>
    public const string Behind = "behind";

    /// <summary>Of what the broker refuses. One that was given up for the one before it, and may be there all the same, is not known to be not done.</summary>
    public static string Of(BrokerUnavailableException unavailable) => unavailable is { IsUnknown: false, Message: PublishTurn.Refusal } ? Behind : Unavailable;
}
