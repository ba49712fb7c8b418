using System.Text;
using Duologue.LoadGenerator;

namespace Duologue.Backplane;

/// <summary>How a lean client says the few things that it has to say to a node of an engine; whole frames.</summary>
internal abstract class Dialect
{
    public static Dialect Of(Engine engine) => engine == Engine.SignalR ? new SignalRDialect() : new DuologueDialect();

    public abstract string Path { get; }

    /// <summary>The WebSocket's; null for none.</summary>
    public virtual string? Subprotocol => null;

    /// <summary>What opens the conversation.</summary>
    public virtual byte[] Hello => [];

    /// <summary>What says that the client lives, where the server wants to hear it without having asked.</summary>
    public virtual byte[] SignOfLife => [];

    /// <summary>In the answer to <see cref="Join"/>.</summary>
    public abstract byte[] JoinedMark { get; }

    /// <summary>In the answer to <see cref="Publish"/>.</summary>
    public abstract byte[] PublishedMark { get; }

    public abstract byte[] Join(string topic);

    public abstract byte[] Publish(string topic, string text);

    protected static byte[] Frame(string text) => Frames.FromClient(Frames.Text, Encoding.UTF8.GetBytes(text));
}

/// <summary>SignalR's JSON hub protocol (docs/specs/HubProtocol.md of dotnet/aspnetcore), without negotiation: the connection is the WebSocket.</summary>
internal sealed class SignalRDialect : Dialect
{
    private const char End = '\x1e';

    public override string Path => NodeApplication.HubPath;

    public override byte[] Hello { get; } = Frame("""{"protocol":"json","version":1}""" + End);

    // A hub ends who says nothing for 30 s; its own client pings every 15 s.
    public override byte[] SignOfLife { get; } = Frame("""{"type":6}""" + End);

    public override byte[] JoinedMark { get; } = "\"type\":3"u8.ToArray();

    public override byte[] PublishedMark => JoinedMark;

    public override byte[] Join(string topic) => Frame($$"""{"type":1,"invocationId":"1","target":"Join","arguments":["{{topic}}"]}""" + End);

    public override byte[] Publish(string topic, string text) => Frame($$"""{"type":1,"invocationId":"1","target":"Publish","arguments":["{{topic}}","{{text}}"]}""" + End);
}

/// <summary><c>duologue.topics.v1</c>: docs/topics-protocol.md. Pings are the WebSocket's own.</summary>
internal sealed class DuologueDialect : Dialect
{
    public override string Path => NodeApplication.TopicsPath;

    public override string Subprotocol => "duologue.topics.v1";

    public override byte[] JoinedMark { get; } = "\"items\""u8.ToArray();

    public override byte[] PublishedMark { get; } = "\"published\""u8.ToArray();

    public override byte[] Join(string topic) => Frame($$"""{"type":"subscribe","topic":"{{topic}}","ref":1}""");

    public override byte[] Publish(string topic, string text) => Frame($$"""{"type":"publish","topic":"{{topic}}","data":"{{text}}","ref":1}""");
}
