using System.Diagnostics;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Duologue.Interop.Tests.Peers;

/// <summary>A Node.js process that is told what to do, and tells what happens, in lines of JSON.</summary>
internal sealed class NodeProcess : IAsyncDisposable
{
    private static readonly string _folder = typeof(NodeProcess).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "NodePeer").Value!;

    private readonly Process _process;

    private NodeProcess(Process process) => _process = process;

    /// <summary>Starts a script. Skips the test if its package is not there.</summary>
    public static NodeProcess Start(string package, params string[] command) => Start(package, [], command);

    /// <param name="package">The npm package that the script needs.</param>
    /// <param name="environment">Variables for it.</param>
    /// <param name="command">The script, in tests/Duologue.Interop.Tests/node, and its arguments.</param>
    public static NodeProcess Start(string package, Dictionary<string, string> environment, params string[] command)
    {
        if (!Directory.Exists(Path.Combine(_folder, "node_modules", package)))
        {
            Assert.Skip($"The npm package {package} is not installed: ./test installs it, or `npm ci` in tests/Duologue.Interop.Tests/node.");
        }

        ProcessStartInfo start = new("node", command)
        {
            WorkingDirectory = _folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        return new NodeProcess(Process.Start(start)!);
    }

    public async Task DoAsync(JsonObject command)
    {
        await _process.StandardInput.WriteLineAsync(command.ToJsonString());
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>The next line; null if the process has ended.</summary>
    public async Task<JsonDocument?> ReadAsync(CancellationToken cancellationToken) =>
        await _process.StandardOutput.ReadLineAsync(cancellationToken) is { } line ? JsonDocument.Parse(line) : null;

    /// <summary>Hands out each event, with its name, until the process has ended.</summary>
    public async Task ReadEventsAsync(Action<string, JsonElement> onEvent)
    {
        while (await ReadAsync(CancellationToken.None) is { } document)
        {
            using (document)
            {
                onEvent(document.RootElement.GetProperty("event").GetString()!, document.RootElement);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close(); // its sign to end
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(10));
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
