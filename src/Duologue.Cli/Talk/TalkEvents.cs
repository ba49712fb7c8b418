using System.Text.Json.Serialization;

namespace Duologue.Cli.Talk;

/// <summary>What the server tells a client of <see cref="TalkProtocol.Name"/>. One JSON object per text message; a file's is the head of its binary message.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(Welcome), "welcome")]
[JsonDerivedType(typeof(Said), "said")]
[JsonDerivedType(typeof(FileSent), "file")]
[JsonDerivedType(typeof(Joined), "joined")]
[JsonDerivedType(typeof(Left), "left")]
[JsonDerivedType(typeof(Named), "named")]
[JsonDerivedType(typeof(Clock), "clock")]
[JsonDerivedType(typeof(Pong), "pong")]
[JsonDerivedType(typeof(Refusal), "error")]
internal abstract record TalkEvent;

/// <summary>
/// First: who you are, who is here, and what is allowed. <c>Talk</c> names this talk, within which <c>seq</c> is distinct; <c>Key</c> is your own, by which you come back as who you were.
/// </summary>
internal sealed record Welcome(string Talk, string Key, long Time, Person You, IReadOnlyList<Person> People, Bounds Limits) : TalkEvent;

/// <summary>The bounds that a client should know before it sends: characters, and bytes of a file.</summary>
internal sealed record Bounds(int Text, int Name, int File, int PerSecond);

internal abstract record Utterance : TalkEvent
{
    public required int Seq { get; init; }

    /// <summary>Milliseconds since 1970, UTC.</summary>
    public required long Time { get; init; }

    public required Person From { get; init; }

    /// <summary>Told from the history to a newcomer.</summary>
    public bool? Past { get; init; }
}

internal sealed record Said(string Text) : Utterance;

/// <summary>A file. <c>Ref</c> is for the sender only: the number that its own head had.</summary>
internal sealed record FileSent(string Name, string Mime, int Size, int? Ref) : Utterance;

internal sealed record Joined(long Time, Person Who) : TalkEvent;

internal sealed record Left(long Time, Person Who) : TalkEvent;

internal sealed record Named(long Time, Person Who, string Before) : TalkEvent;

internal sealed record Clock(long Time, int People) : TalkEvent;

internal sealed record Pong(long Id, long Time) : TalkEvent;

/// <summary>Something was not passed on, and why.</summary>
internal sealed record Refusal(string Message, int? Ref) : TalkEvent;

/// <summary>What a client of <see cref="TalkProtocol.Name"/> asks. Which members count depends on <see cref="Type"/>.</summary>
internal sealed record TalkRequest(string? Type, string? Text, string? Name, long Id, int? Ref);

/// <summary>The head of a file that a client sends.</summary>
internal sealed record FileHead(string? Name, string? Mime, int? Ref);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(TalkEvent))]
[JsonSerializable(typeof(TalkRequest))]
[JsonSerializable(typeof(FileHead))]
[JsonSerializable(typeof(TalkEntry))]
internal sealed partial class TalkJson : JsonSerializerContext;
