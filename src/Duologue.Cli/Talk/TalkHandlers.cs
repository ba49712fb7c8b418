using System.Text.Json;
using Duologue.AspNetCore;

namespace Duologue.Cli.Talk;

/// <summary>What both forms of the talk share: coming, going, and the bounds on what is passed on.</summary>
internal abstract class TalkHandler(TalkRoom room, TalkWatch watch, bool wantsEvents) : MessageHandler
{
    private const ushort PolicyViolation = 1008;

    protected TalkRoom Room { get; } = room;

    public sealed override ValueTask OnOpenAsync(Connection connection) => Room.JoinAsync(connection, wantsEvents);

    public sealed override ValueTask OnMessageAsync(Connection connection, Message message) =>
        Room.Find(connection) is { } member ? OnMessageAsync(member, message) : ValueTask.CompletedTask;

    public sealed override ValueTask OnCloseAsync(Connection connection, CloseInfo info)
    {
        Room.Leave(connection);
        return ValueTask.CompletedTask;
    }

    protected abstract ValueTask OnMessageAsync(TalkMember member, Message message);

    protected ValueTask SayAsync(TalkMember member, string text, int? reference)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return RefuseAsync(member, TalkRefusal.Empty, "The message is empty.", reference);
        }

        if (text.Length > TalkLimits.Text)
        {
            return RefuseAsync(member, TalkRefusal.TextTooLong, $"The message has {text.Length} characters; at most {TalkLimits.Text} are passed on.", reference);
        }

        if (!member.Gate.TryPass())
        {
            return RefuseTooFastAsync(member, reference);
        }

        return PassOnAsync(member, Room.SayAsync(member, text, reference), reference);
    }

    protected ValueTask RenameAsync(TalkMember member, string? name)
    {
        if (SafeText.CleanName(name) is not { } cleaned)
        {
            return RefuseAsync(member, TalkRefusal.Empty, "The name is empty.", null);
        }

        if (!member.Gate.TryPass())
        {
            return RefuseTooFastAsync(member, null);
        }

        return PassOnAsync(member, Room.RenameAsync(member, cleaned), null);
    }

    protected ValueTask SendFileAsync(TalkMember member, FileHead head, ReadOnlyMemory<byte> content)
    {
        if (!member.Gate.TryPass())
        {
            return RefuseTooFastAsync(member, head.Ref);
        }

        return PassOnAsync(member, Room.SendFileAsync(member, head, content), head.Ref);
    }

    protected ValueTask RefuseAsync(TalkMember member, TalkRefusal refusal, string why, int? reference)
    {
        watch.Refused(member.Connection.Id, refusal);
        TalkRoom.Refuse(member, why, reference);
        return ValueTask.CompletedTask;
    }

    private ValueTask PassOnAsync(TalkMember member, ValueTask passing, int? reference)
    {
        return passing.IsCompletedSuccessfully ? passing : WaitAsync();

        async ValueTask WaitAsync()
        {
            try
            {
                await passing.ConfigureAwait(false);
            }
            catch (BrokerUnavailableException e)
            {
                string what = e.IsUnknown ? "It is not known whether this was passed on" : "The talk cannot be reached";
                await RefuseAsync(member, TalkRefusal.Unavailable, $"{what}: {e.Message}", reference).ConfigureAwait(false);
            }
        }
    }

    private ValueTask RefuseTooFastAsync(TalkMember member, int? reference)
    {
        if (member.Gate.IsExhausted)
        {
            watch.Refused(member.Connection.Id, TalkRefusal.NeverSlower);
            return CloseAsync(member.Connection);
        }

        return RefuseAsync(member, TalkRefusal.TooFast, $"Too fast: {TalkLimits.PerSecond} messages per second, {TalkLimits.Burst} at once. Wait a moment.", reference);

        static async ValueTask CloseAsync(Connection connection) =>
            await connection.CloseAsync(PolicyViolation, $"{TalkLimits.Patience} messages in a row were too fast").ConfigureAwait(false);
    }
}

/// <summary>The talk for clients of <see cref="TalkProtocol.Name"/>: JSON events and files with a head.</summary>
internal sealed class EventTalkHandler(TalkRoom room, TalkWatch watch) : TalkHandler(room, watch, wantsEvents: true)
{
    protected override ValueTask OnMessageAsync(TalkMember member, Message message)
    {
        if (message.Type == MessageType.Binary)
        {
            return TalkProtocol.TryDecodeFile(message.Data.Span, out FileHead head, out ReadOnlySpan<byte> content, out string error)
                ? SendFileAsync(member, head, message.Data[^content.Length..])
                : RefuseAsync(member, TalkRefusal.Malformed, error, null);
        }

        TalkRequest? request;
        try
        {
            request = JsonSerializer.Deserialize(message.Data.Span, TalkJson.Default.TalkRequest);
        }
        catch (JsonException e)
        {
            return RefuseAsync(member, TalkRefusal.Malformed, $"{TalkProtocol.Name} takes JSON objects: {e.Message}", null);
        }

        switch (request?.Type)
        {
            case "say":
                return SayAsync(member, request.Text ?? "", request.Ref);
            case "name":
                return RenameAsync(member, request.Name);
            case "ping":
                Room.AnswerPing(member, request.Id);
                return ValueTask.CompletedTask;
            default:
                return RefuseAsync(member, TalkRefusal.Malformed, "The type is none of say, name and ping.", null);
        }
    }
}

/// <summary>The talk for everyone else: a text is a line said to all, a binary message a file.</summary>
internal sealed class LineTalkHandler(TalkRoom room, TalkWatch watch) : TalkHandler(room, watch, wantsEvents: false)
{
    private const string NameCommand = "/name ";
    private const string WhoCommand = "/who";

    protected override ValueTask OnMessageAsync(TalkMember member, Message message)
    {
        if (message.Type == MessageType.Binary)
        {
            return SendFileAsync(member, new FileHead(null, null, null), message.Data);
        }

        string text = message.Text.TrimEnd('\r', '\n');
        if (text.StartsWith(NameCommand, StringComparison.Ordinal))
        {
            return RenameAsync(member, text[NameCommand.Length..]);
        }

        if (text == WhoCommand)
        {
            member.Connection.Send(TalkProtocol.ToLine($"here: {string.Join(", ", Room.ListNames())}"));
            return ValueTask.CompletedTask;
        }

        return SayAsync(member, text, null);
    }
}
