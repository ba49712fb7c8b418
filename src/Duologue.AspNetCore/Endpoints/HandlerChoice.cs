using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore;

/// <summary>Who talks to a connection: a handler class, by push, or a delegate that receives.</summary>
internal sealed class HandlerChoice
{
    private HandlerChoice(MessageHandler? messages, Func<Connection, Task>? conversation)
    {
        Messages = messages;
        Conversation = conversation;
    }

    public MessageHandler? Messages { get; }

    public Func<Connection, Task>? Conversation { get; }

    private TracedHandler? _traced;

    /// <summary>Who receives by push; null where a delegate receives.</summary>
    public IMessageHandler? Receiver(bool traced, string route) =>
        traced && Messages is not null ? _traced ??= new TracedHandler(Messages, route) : Messages;

    public static HandlerChoice Of(Func<Connection, Task> conversation)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        return new(null, conversation);
    }

    /// <summary>A handler that is there already.</summary>
    public static HandlerChoice Of(MessageHandler handler) => new(handler, null);

    /// <summary>Makes the handler at once, so that a missing service is an error at start, not at the first connection.</summary>
    public static HandlerChoice Of<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(DuologueServer server, IServiceProvider services)
        where THandler : MessageHandler
    {
        var handler = ActivatorUtilities.CreateInstance<THandler>(services);
        server.Own(handler);
        return new(handler, null);
    }
}
