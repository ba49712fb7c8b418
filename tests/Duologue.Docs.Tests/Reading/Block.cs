namespace Duologue.Docs.Tests.Reading;

/// <summary>A fenced block of a document.</summary>
/// <param name="File">The document's path from the repository's root, with slashes.</param>
/// <param name="Line">The number of its first line behind the fence.</param>
/// <param name="Language">What stands behind the fence; "" where nothing does.</param>
/// <param name="Text">Its lines.</param>
/// <param name="NotCompiled">The reason that stands in a comment above the block, where it is no code to compile; else null.</param>
internal sealed record Block(string File, int Line, string Language, string Text, string? NotCompiled)
{
    public override string ToString() => $"{File}({Line})";
}
