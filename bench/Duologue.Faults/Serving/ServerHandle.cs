using System.Diagnostics;

namespace Duologue.Faults;

/// <summary>A running server, seen from outside: where it is, what it counts, what it holds.</summary>
internal sealed class ServerHandle : IAsyncDisposable
{
    // Kestrel ends idle connections soon here, so that none is kept.
    private readonly HttpClient _http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.Zero });
    private readonly Process? _process;

    public ServerHandle(Uri url, Process? process)
    {
        Url = url;
        _process = process;
    }

    public Uri Url { get; }

    /// <summary>Starts this program once more, as the server.</summary>
    public static async Task<ServerHandle> StartAsync(Plan plan)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
        {
            start.ArgumentList.Add(typeof(ServerHandle).Assembly.Location);
        }

        start.ArgumentList.Add("serve");
        start.ArgumentList.Add(plan.Name);
        Process process = Process.Start(start) ?? throw new InvalidOperationException("The server's process did not start.");
        string? line = await process.StandardOutput.ReadLineAsync();
        return line?.Split(' ') is ["listening", string url, _]
            ? new ServerHandle(new Uri(url), process)
            : throw new InvalidOperationException($"The server did not start: {line}");
    }

    public async Task<Dictionary<string, long>> CountAsync() =>
        await _http.GetFromJsonAsync(new Uri(Url, "/counts"), FaultsJson.Default.DictionaryStringInt64) ?? [];

    public async Task<Memory> MeasureAsync() =>
        await _http.GetFromJsonAsync(new Uri(Url, "/memory"), FaultsJson.Default.Memory) ?? throw new InvalidOperationException("The server tells nothing of its memory.");

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_process is null)
        {
            return;
        }

        _process.StandardInput.Close();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
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
