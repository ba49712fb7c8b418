namespace Duologue.AspNetCore;

/// <summary>Sends a connection what it has missed, in the form in which it is sent what comes.</summary>
internal abstract class MemberSink(MemberForm form)
{
    public MemberForm Form { get; } = form;

    /// <summary>Sends a page; completes when the connection has taken it, so that a history larger than its queue does not overflow it.</summary>
    /// <param name="page">Perhaps an empty one, if it is the first.</param>
    /// <param name="isFirst">Whether the subscription begins with it.</param>
    /// <param name="cancellationToken">Stops the waiting.</param>
    public abstract ValueTask SendAsync(TopicPage page, bool isFirst, CancellationToken cancellationToken);
}

/// <summary>Sends the payloads as they were published. What was lost is told by the result of subscribing.</summary>
internal sealed class RawSink(WebSocketConnection connection) : MemberSink(MemberForm.Raw)
{
    public override async ValueTask SendAsync(TopicPage page, bool isFirst, CancellationToken cancellationToken)
    {
        foreach (TopicMessage message in page.Messages)
        {
            await connection.SendAsync(message.Data, message.Type, message.Flags, cancellationToken).ConfigureAwait(false);
        }
    }
}
