using System.Diagnostics;
using System.Globalization;
using Duologue.Comparison;

namespace Duologue.Backplane;

/// <summary>A node in a process of its own.</summary>
internal sealed class NodeProcess : IDisposable
{
    private readonly Process _process;

    private NodeProcess(Process process, int port) => (_process, Port) = (process, port);

    public int Port { get; }

    public int Id => _process.Id;

    /// <summary>Starts one and waits until it has its Redis.</summary>
    public static NodeProcess Start(NodeArguments arguments, int? core)
    {
        string program = typeof(NodeProcess).Assembly.Location;
        Process process = Process.Start(Pinning.Start(core, "dotnet", [program, "node", .. arguments.ToArguments()]))!;
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (line.Split(' ') is ["listening", var port, ..])
            {
                _ = process.StandardOutput.ReadToEndAsync();
                NodeProcess node = new(process, int.Parse(port, CultureInfo.InvariantCulture));
                WaitUntilReady(node.Port);
                return node;
            }
        }

        throw new RunException($"A node of {arguments.Engine} did not start.");
    }

    /// <summary>As kill -9 does.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.WaitForExit();
        _process.Dispose();
    }

    /// <summary>Waits until the node on this port has its Redis.</summary>
    public static void WaitUntilReady(int port)
    {
        using HttpClient client = new() { BaseAddress = UrlOf(port) };
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(60);)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, "/ready");
            using HttpResponseMessage answer = client.Send(request);
            if (answer.IsSuccessStatusCode)
            {
                return;
            }

            Thread.Sleep(50);
        }

        throw new RunException("A node has no Redis.");
    }

    private static Uri UrlOf(int port) => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}"));
}
