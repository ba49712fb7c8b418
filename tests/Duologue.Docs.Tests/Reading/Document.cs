using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Duologue.Docs.Tests.Reading;

/// <summary>A document in Markdown, as far as its blocks, headings, links and code within lines go.</summary>
internal sealed partial class Document
{
    private readonly List<Block> _blocks = [];
    private readonly List<(int Line, string Target)> _links = [];
    private readonly List<(int Line, string Code)> _code = [];
    private readonly HashSet<string> _anchors = new(StringComparer.Ordinal);
    private readonly List<TableRow> _rows = [];
    private string[]? _head;
    private string _heading = "";

    public Document(string file, string text)
    {
        File = file;
        string[] lines = text.ReplaceLineEndings("\n").Split('\n');
        for (int at = 0; at < lines.Length; at++)
        {
            Match fence = Fence().Match(lines[at]);
            if (fence.Success)
            {
                int first = at + 1;
                int end = Array.FindIndex(lines, first, line => line.TrimEnd() == fence.Groups["mark"].Value);
                if (end < 0)
                {
                    throw new FormatException($"{file}({first}): the block does not end.");
                }

                Match comment = NotCompiled().Match(at > 0 ? lines[at - 1] : "");
                _blocks.Add(new(file, first + 1, fence.Groups["language"].Value, string.Join('\n', lines[first..end]), comment.Success ? comment.Groups[1].Value.Trim() : null));
                at = end;
                continue;
            }

            ReadLine(at + 1, lines[at]);
        }
    }

    /// <summary>Its path from the repository's root, with slashes.</summary>
    public string File { get; }

    public IReadOnlyList<Block> Blocks => _blocks;

    /// <summary>What its links and images lead to.</summary>
    public IReadOnlyList<(int Line, string Target)> Links => _links;

    /// <summary>The code within its lines.</summary>
    public IReadOnlyList<(int Line, string Code)> Code => _code;

    /// <summary>What a link to a place in it may name.</summary>
    public IReadOnlySet<string> Anchors => _anchors;

    /// <summary>The rows of its tables.</summary>
    public IReadOnlyList<TableRow> Rows => _rows;

    private void ReadLine(int number, string line)
    {
        if (Heading().Match(line) is { Success: true } heading)
        {
            _heading = heading.Groups[1].Value;
            AddAnchor(_heading);
        }

        ReadRow(number, line);

        foreach (Match code in InlineCode().Matches(line))
        {
            _code.Add((number, code.Groups["code"].Value.Trim()));
        }

        // Brackets within code are no link.
        foreach (Match link in Link().Matches(InlineCode().Replace(line, "`code`")))
        {
            _links.Add((number, link.Groups[1].Value));
        }
    }

    private void ReadRow(int number, string line)
    {
        if (!line.StartsWith('|'))
        {
            _head = null;
            return;
        }

        string[] cells = [.. Bar().Split(line.Trim()[1..].TrimEnd('|')).Select(cell => cell.Trim())];
        if (_head is null)
        {
            _head = cells;
        }
        else if (!cells[0].StartsWith("---", StringComparison.Ordinal))
        {
            _rows.Add(new($"{File}({number})", _heading, _head, cells));
        }
    }

    /// <summary>As GitHub names headings: without case and punctuation, with hyphens for spaces; what was there already gets a number.</summary>
    private void AddAnchor(string heading)
    {
        string shown = Link().Replace(heading, match => match.Value[..match.Value.IndexOf(']', StringComparison.Ordinal)]);
        var anchor = new StringBuilder();
        foreach (char c in shown.Trim().ToLower(CultureInfo.InvariantCulture))
        {
            if (char.IsLetterOrDigit(c) || c is '-' or '_')
            {
                anchor.Append(c);
            }
            else if (c == ' ')
            {
                anchor.Append('-');
            }
        }

        string name = anchor.ToString();
        for (int again = 1; !_anchors.Add(name); again++)
        {
            name = string.Create(CultureInfo.InvariantCulture, $"{anchor}-{again}");
        }
    }

    [GeneratedRegex(@"^(?<mark>\s*```+)(?<language>\w*)\s*$")]
    private static partial Regex Fence();

    [GeneratedRegex(@"^\s*<!-- not compiled: (.+) -->\s*$")]
    private static partial Regex NotCompiled();

    [GeneratedRegex(@"^#{1,6} +(.+?)[ #]*$")]
    private static partial Regex Heading();

    [GeneratedRegex(@"(?<!`)(?<mark>`+)(?!`)(?<code>.+?)(?<!`)\k<mark>(?!`)")]
    private static partial Regex InlineCode();

    [GeneratedRegex(@"(?<!\\)\|")]
    private static partial Regex Bar();

    [GeneratedRegex(@"\]\(([^()\s]*)\)")]
    private static partial Regex Link();
}
