namespace Duologue.AspNetCore;

/// <summary>In which form a connection is sent a topic's messages.</summary>
internal enum MemberForm
{
    /// <summary>The payload, as it was published.</summary>
    Raw,

    /// <summary>The feed's page with one item, in JSON.</summary>
    Feed,

    /// <summary>A message of the subprotocol <c>duologue.topics.v1</c>.</summary>
    Protocol,
}

/// <summary>One subscription of a connection: to a topic, or to a pattern.</summary>
/// <param name="Connection">Whom to send to.</param>
/// <param name="Form">How.</param>
internal readonly record struct Member(WebSocketConnection Connection, MemberForm Form)
{
    /// <param name="node">This process's name, where others share its topics.</param>
    public TopicSubscriber Describe(string? node) => new(Connection.Id, (Connection.Owner as ConnectionState)?.UserId) { Node = node };
}

/// <summary>The members of a topic at one moment, in the shape that a publish walks through. Each connection is in each form once.</summary>
internal sealed class MemberSnapshot
{
    public static readonly MemberSnapshot Empty = new([]);

    public MemberSnapshot(IReadOnlyCollection<Member> members)
    {
        Raw = Of(members, MemberForm.Raw);
        Feed = Of(members, MemberForm.Feed);
        Protocol = Of(members, MemberForm.Protocol);
    }

    public WebSocketConnection[] Raw { get; }

    public WebSocketConnection[] Feed { get; }

    public WebSocketConnection[] Protocol { get; }

    private static WebSocketConnection[] Of(IReadOnlyCollection<Member> members, MemberForm form) =>
        [.. members.Where(member => member.Form == form).Select(member => member.Connection)];
}
