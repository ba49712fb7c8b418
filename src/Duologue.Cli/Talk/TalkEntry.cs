using System.Text.Json.Serialization;

namespace Duologue.Cli.Talk;

/// <summary>
/// What somebody does, as it stands in the log of the talk. Whoever applies the same entries in the same order has the same talk: ids, names and numbers are given when an entry is applied, not when it is written.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(Joining), "join")]
[JsonDerivedType(typeof(Leaving), "leave")]
[JsonDerivedType(typeof(Naming), "name")]
[JsonDerivedType(typeof(Saying), "say")]
[JsonDerivedType(typeof(Filing), "file")]
[JsonDerivedType(typeof(Beginning), "begin")]
[JsonDerivedType(typeof(Asking), "ask")]
[JsonDerivedType(typeof(Standing), "stand")]
internal abstract record TalkEntry;

/// <summary>Somebody comes. <c>Was</c> is the key that they had before their line was cut, and are no more.</summary>
internal sealed record Joining(string Key, string? Name, string Kind, string? Was) : TalkEntry;

internal sealed record Leaving(string Key) : TalkEntry;

internal sealed record Naming(string Key, string Name) : TalkEntry;

/// <summary>A text. <c>Ref</c> is the number that its sender's own request had.</summary>
internal sealed record Saying(string Key, string Text, int? Ref) : TalkEntry;

/// <summary>A file; its content stands behind the entry.</summary>
internal sealed record Filing(string Key, string Name, string Mime, int? Ref) : TalkEntry;

/// <summary>The talk begins, with nobody and nothing; it counts only if nothing was written behind <c>Behind</c> before it.</summary>
internal sealed record Beginning(string Talk, long Behind) : TalkEntry;

/// <summary>A node does not know how the talk stands, as the log does not reach back so far; another is to write it.</summary>
internal sealed record Asking(string Node) : TalkEntry;

/// <summary>How the talk stood behind the entry <c>At</c>.</summary>
internal sealed record Standing(long At, string Talk, int LastId, int LastSeq, IReadOnlyList<Present> People, IReadOnlyList<Past> History) : TalkEntry;

/// <summary>Somebody who is there, and by which key.</summary>
internal sealed record Present(string Key, Person Person);

/// <summary>Something said, and at which place of the log: the content of a file stands there, if it still does.</summary>
internal sealed record Past(long Place, TalkEvent Utterance);
