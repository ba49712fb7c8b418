using System.CommandLine;

namespace Duologue.Cli.Terminal;

/// <summary>A command of the tool: its summary is a line of the tool's help, its own help has the notes, too.</summary>
/// <param name="name">What is typed.</param>
/// <param name="summary">One sentence.</param>
/// <param name="notes">Lines of at most 78 characters, as they are printed.</param>
internal sealed class ToolCommand(string name, string summary, string notes) : Command(name, summary)
{
    /// <summary>What one has to know beside the options.</summary>
    public string Notes => notes;
}
