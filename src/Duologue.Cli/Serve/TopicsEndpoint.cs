using Duologue.AspNetCore;
using Duologue.Cli.Talk;

namespace Duologue.Cli.Serve;

/// <summary><c>/topics</c>: topics that anybody may read and publish to, but for those that the talk and the fan-out are made of.</summary>
internal static class TopicsEndpoint
{
    public const string Path = "/topics";
    public const string Pattern = Path + "/{**name}";

    public static void Configure(TopicEndpointOptions options)
    {
        options.AllowPublishing = true;
        options.AuthorizeSubscribe = IsPublic;
        options.AuthorizePublish = IsPublic;
    }

    /// <summary>The talk and the fan-out have no use for a history: the one keeps its own, but for the log that nodes share; the other is for measuring.</summary>
    public static void KeepNoHistoryOfOthers(DuologueOptions options, int talkFile)
    {
        options.TopicHistories[TalkRoom.TopicPrefix + "**"] = TopicHistory.None;
        options.TopicHistories[SharedLog.Topic] = SharedLog.HistoryFor(talkFile);
        options.TopicHistories[FanoutHandler.Topic] = TopicHistory.None;
    }

    internal static bool IsPublic(TopicAccess access) =>
        access.Topic != FanoutHandler.Topic && !access.Topic.StartsWith(TalkRoom.TopicPrefix, StringComparison.Ordinal);
}
