using System.CommandLine;
using Duologue.Cli.Serve;

namespace Duologue.Soak;

/// <summary><c>Duologue.Soak serve …</c>: <c>duologue serve</c>, with <see cref="SessionTopics"/> beside all that it serves.</summary>
internal static class NodeProgram
{
    public static Task<int> RunAsync(string[] arguments) => new RootCommand { ServeCommand.Create(SessionTopics.Map) }
        .Parse(arguments)
        .InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
