using System.Runtime.CompilerServices;
using System.Text;

namespace Duologue.Cli.Terminal;

/// <summary>Lines of standard input: typed at a terminal, or piped in as UTF-8.</summary>
internal static class LineInput
{
    private const char ByteOrderMark = '\ufeff';

    /// <summary>Whether someone types, with the messages on the same terminal.</summary>
    public static bool IsTyped(Report report) => !Console.IsInputRedirected && report.IsTerminal && !report.IsJson;

    /// <summary>The lines until the input ends. A wait for a line ends with the token, though the terminal is still being read.</summary>
    /// <exception cref="DecoderFallbackException">What was piped in is not UTF-8.</exception>
    public static async IAsyncEnumerable<string> ReadLinesAsync(LineEditor? editor, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using StreamReader? reader = editor is null ? new(Console.OpenStandardInput(), new UTF8Encoding(false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: false) : null;
        bool isFirst = true;
        while (true)
        {
            // A read of standard input blocks and cannot be called off: it has a thread of its own, and is left behind at the end.
            Task<string?> reading = Task.Factory.StartNew(
                () => editor is null ? reader!.ReadLine() : editor.ReadLine(),
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default);
            string? line = await reading.WaitAsync(cancellationToken).ConfigureAwait(false);
            if (line is null)
            {
                yield break;
            }

            // Some shells put a byte order mark before what they pipe.
            yield return isFirst && editor is null ? line.TrimStart(ByteOrderMark) : line;
            isFirst = false;
        }
    }
}
