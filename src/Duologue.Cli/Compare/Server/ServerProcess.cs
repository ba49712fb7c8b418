using System.Diagnostics;
using System.Reflection;

namespace Duologue.Cli.Compare.Server;

/// <summary>The measured server, as its parent sees it.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Process _process;
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromMinutes(2) };

    private ServerProcess(Process process, Uri address) => (_process, Address) = (process, address);

    public Uri Address { get; }

    public static async Task<ServerProcess> StartAsync(string eventLoop, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
        {
            // An installed tool has a host of its own; one that is run from its build has dotnet, which wants to know what to run.
            start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, $"{Assembly.GetExecutingAssembly().GetName().Name}.dll"));
        }

        foreach (string argument in new[] { CompareServer.CommandName, "--event-loop", eventLoop })
        {
            start.ArgumentList.Add(argument);
        }

        Process process = Process.Start(start) ?? throw new InvalidOperationException("The server that is to be measured did not start.");
        try
        {
            string? line = await process.StandardOutput.ReadLineAsync(cancellationToken).ConfigureAwait(false);
            return Uri.TryCreate(line, UriKind.Absolute, out Uri? address)
                ? new ServerProcess(process, address)
                : throw new InvalidOperationException($"The server that is to be measured did not start: {line}");
        }
        catch
        {
            await EndAsync(process).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>What it has used so far.</summary>
    public Task<ServerUsage> GetUsageAsync(CancellationToken cancellationToken) => GetAsync(CompareServer.UsagePath, cancellationToken);

    /// <summary>The same, after its garbage is collected.</summary>
    public Task<ServerUsage> CollectAsync(CancellationToken cancellationToken) => GetAsync(CompareServer.CollectedUsagePath, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await EndAsync(_process).ConfigureAwait(false);
    }

    private async Task<ServerUsage> GetAsync(string path, CancellationToken cancellationToken) =>
        await _http.GetFromJsonAsync(new Uri(Address, path), CompareJson.Default.ServerUsage, cancellationToken).ConfigureAwait(false)
        ?? throw new InvalidDataException("The measured server did not say what it has used.");

    private static async Task EndAsync(Process process)
    {
        process.StandardInput.Close();
        using var limit = new CancellationTokenSource(Patience);
        try
        {
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
        }

        process.Dispose();
    }
}
