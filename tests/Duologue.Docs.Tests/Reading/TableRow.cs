namespace Duologue.Docs.Tests.Reading;

/// <summary>A row of a table.</summary>
/// <param name="Place">The document and the line.</param>
/// <param name="Heading">The heading above its table.</param>
/// <param name="Head">The table's first row.</param>
/// <param name="Cells">What stands in its cells.</param>
internal sealed record TableRow(string Place, string Heading, IReadOnlyList<string> Head, IReadOnlyList<string> Cells)
{
    /// <summary>The cell below a word of the head, which the head's cell begins with; null if the table has no such column.</summary>
    public string? Below(string word)
    {
        int column = Head.TakeWhile(cell => !cell.StartsWith(word, StringComparison.Ordinal)).Count();
        return column < Cells.Count ? Cells[column] : null;
    }
}
