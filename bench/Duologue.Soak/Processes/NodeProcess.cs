using System.Globalization;

namespace Duologue.Soak;

/// <summary>One node, by default <c>duologue serve --redis</c>, which is killed or sent away and comes back on its port.</summary>
internal sealed class NodeProcess : IAsyncDisposable
{
    /// <summary>The tool as it is.</summary>
    public const string Tool = "Duologue.Cli.dll";

    /// <summary>With <see cref="SessionTopics"/> beside it.</summary>
    public const string WithSessions = "Duologue.Soak.dll";

    private readonly string[] _arguments;
    private Child _child = null!;

    private NodeProcess(string program, string name, int port, string redis, string[] more)
    {
        (Name, Port) = (name, port);
        _arguments = [Path.Combine(AppContext.BaseDirectory, program), "serve", "--urls", Url, "--redis", redis, "--node", name, .. more];
    }

    public string Name { get; }

    public int Port { get; private set; }

    public string Url => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}");

    /// <summary>What it has said of late.</summary>
    public string Said => _child.Said;

    /// <summary>How long its last end by SIGTERM took.</summary>
    public TimeSpan LastStop { get; private set; }

    public static async Task<NodeProcess> StartAsync(string program, string name, string redis, string[] more, CancellationToken cancellationToken)
    {
        while (true)
        {
            var node = new NodeProcess(program, name, Child.FreePort(), redis, more);
            if (await node.TryRunAsync(cancellationToken))
            {
                return node;
            }
        }
    }

    public Task KillAsync() => _child.KillAsync();

    /// <summary>As a deploy does. Answers the exit code.</summary>
    public async Task<int> TerminateAsync(CancellationToken cancellationToken)
    {
        long start = TimeProvider.System.GetTimestamp();
        await _child.SignalAsync("TERM");
        int code = await _child.WaitAsync(cancellationToken);
        LastStop = TimeProvider.System.GetElapsedTime(start);
        return code;
    }

    public async Task RestartAsync(CancellationToken cancellationToken)
    {
        await _child.DisposeAsync();
        while (!await TryRunAsync(cancellationToken))
        {
            await Task.Delay(100, cancellationToken);
        }
    }

    public ValueTask DisposeAsync() => _child.DisposeAsync();

    private async Task<bool> TryRunAsync(CancellationToken cancellationToken)
    {
        Child? child = await Child.TryStartAsync("dotnet", _arguments, static line => line.Contains("is listening", StringComparison.Ordinal), cancellationToken);
        _child = child ?? _child;
        return child is not null;
    }
}
