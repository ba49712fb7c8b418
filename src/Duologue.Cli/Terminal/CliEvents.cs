using System.Text.Json.Serialization;

namespace Duologue.Cli.Terminal;

/// <summary>What <c>--json</c> prints, one object per line; <c>event</c> names the kind. Described in docs/cli.md.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "event")]
[JsonDerivedType(typeof(ListeningEvent), "listening")]
[JsonDerivedType(typeof(NoteEvent), "note")]
[JsonDerivedType(typeof(StoppedEvent), "stopped")]
[JsonDerivedType(typeof(HandshakeEvent), "handshake")]
[JsonDerivedType(typeof(OpenEvent), "open")]
[JsonDerivedType(typeof(MessageEvent), "message")]
[JsonDerivedType(typeof(PingEvent), "ping")]
[JsonDerivedType(typeof(UnsentEvent), "unsent")]
[JsonDerivedType(typeof(CloseEvent), "close")]
[JsonDerivedType(typeof(FailedEvent), "error")]
internal abstract record CliEvent;

internal sealed record ListeningEvent(IReadOnlyList<string> Urls, string Open, IReadOnlyList<string> Endpoints) : CliEvent;

internal sealed record NoteEvent(string Message) : CliEvent;

internal sealed record StoppedEvent : CliEvent;

internal sealed record HandshakeEvent(string Request, string Response) : CliEvent;

/// <summary><c>Id</c> says which connection: a number for <c>listen</c>, absent for <c>connect</c>, as in the events below.</summary>
internal sealed record OpenEvent(int? Id, string Url, string? Protocol, string? From) : CliEvent
{
    /// <summary>The agreed extensions; absent if none were.</summary>
    public string? Extensions { get; init; }

    /// <summary>What carries the conversation that <c>connect</c> opened: websocket, long-polling or polling; it may change later.</summary>
    public string? Transport { get; init; }
}

/// <summary><c>Type</c> is <c>text</c>, with <c>Text</c>, or <c>binary</c>, with <c>Base64</c>.</summary>
internal sealed record MessageEvent(int? Id, DateTimeOffset Time, string Type, int Size, string? Text, string? Base64) : CliEvent;

internal sealed record PingEvent(double Milliseconds) : CliEvent;

internal sealed record UnsentEvent(string Reason, int Size) : CliEvent
{
    /// <summary>To whom it was not sent; absent if to nobody.</summary>
    public int? Id { get; init; }
}

internal sealed record CloseEvent(int? Id, int Code, string Reason, bool WasClean, bool ByPeer, string Cause) : CliEvent
{
    /// <summary>What was to be sent and is known not to have been; absent if there is none.</summary>
    public long? UnsentBytes { get; init; }

    public static CloseEvent Of(int? id, CloseInfo info) =>
        new(id, info.Code, info.Reason, info.WasClean, info.ByPeer, info.Cause.ToString()) { UnsentBytes = info.UnsentBytes > 0 ? info.UnsentBytes : null };
}

internal sealed record FailedEvent(int ExitCode, string Message) : CliEvent;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CliEvent))]
internal sealed partial class CliJson : JsonSerializerContext;
