using System.Text;
using System.Text.RegularExpressions;

namespace Duologue.Docs.Tests.Reading;

/// <summary>A command that a document shows, in words as a shell has them: without its variables, redirections and comment.</summary>
/// <param name="Place">The document and the line.</param>
/// <param name="Words">The program and its arguments.</param>
internal sealed partial record ShellCommand(string Place, IReadOnlyList<string> Words)
{
    public string Program => Words[0];

    public override string ToString() => $"{Place}: {string.Join(' ', Words)}";

    /// <summary>All that the documents show in blocks without a language, and within their lines.</summary>
    public static IEnumerable<ShellCommand> InBook()
    {
        foreach (Document document in Book.Documents)
        {
            foreach (Block block in document.Blocks.Where(block => block.Language is "" or "sh" or "bash"))
            {
                foreach (ShellCommand command in block.Text.Replace("\\\n", " ", StringComparison.Ordinal).Split('\n').SelectMany(line => Read(block.ToString(), line)))
                {
                    yield return command;
                }
            }

            foreach (ShellCommand command in document.Code.SelectMany(code => Read($"{document.File}({code.Line})", code.Code)))
            {
                yield return command;
            }
        }
    }

    /// <summary>The commands of one line: those of a pipe are several.</summary>
    public static IEnumerable<ShellCommand> Read(string place, string line)
    {
        var words = new List<string>();
        foreach (string word in Split(line.StartsWith("$ ", StringComparison.Ordinal) ? line[2..] : line).Append("|"))
        {
            if (word is "|" or "&&" or ";")
            {
                if (words.Count > 0)
                {
                    yield return new(place, words);
                }

                words = [];
            }
            else if (word == "#")
            {
                if (words.Count > 0)
                {
                    yield return new(place, words);
                }

                yield break;
            }
            else if (words.Count > 0 || !Variable().IsMatch(word))
            {
                words.Add(word);
            }
        }
    }

    private static List<string> Split(string line)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        bool inWord = false;
        bool skipsFile = false;
        char quote = '\0';
        foreach (char c in line + ' ')
        {
            if (quote != '\0' ? c == quote : c is '"' or '\'')
            {
                quote = quote == '\0' ? c : '\0';
                inWord = true;
            }
            else if (quote != '\0' || c != ' ')
            {
                word.Append(c);
                inWord = true;
                if (word.Length == 1 && c == '#')
                {
                    words.Add("#");
                    return words;
                }
            }
            else if (inWord)
            {
                string text = word.ToString();
                bool redirects = Redirection().IsMatch(text);
                if (!redirects && !skipsFile)
                {
                    words.Add(text);
                }

                skipsFile = redirects && text[^1] is '<' or '>';
                word.Clear();
                inWord = false;
            }
        }

        return words;
    }

    [GeneratedRegex("^[A-Z_]+=")]
    private static partial Regex Variable();

    [GeneratedRegex("^[0-9]?[<>]")]
    private static partial Regex Redirection();
}
