using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Duologue.Comparison;

/// <summary>A server that runs, on its core.</summary>
internal sealed class ServerProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;

    private ServerProcess(ServerKind kind, Process process, int port)
    {
        Kind = kind;
        _process = process;
        Port = port;
    }

    public ServerKind Kind { get; }

    public int Port { get; }

    // Whatever starts it replaces itself by it.
    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public static ServerProcess Start(ServerKind kind, string variantOptions, Places places, int? core)
    {
        int free = FreePort();
        string command = places.Fill(kind.Command).Replace("{port}", free.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal) + variantOptions;
        string pinned = core is null ? command : string.Create(CultureInfo.InvariantCulture, $"taskset -c {core} {command}");
        ProcessStartInfo start = new("/bin/sh", ["-c", "exec " + pinned]) { RedirectStandardOutput = true };
        Process process = Process.Start(start) ?? throw new RunException($"{kind.Name} did not start.");
        try
        {
            // Nobody reads what it may say later; it is thrown away, so that it never waits for a reader.
            TaskCompletionSource<int> said = new(TaskCreationOptions.RunContinuationsAsynchronously);
            process.OutputDataReceived += (_, line) =>
            {
                if (line.Data?.Split(' ') is ["listening", var port, ..] && int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
                {
                    said.TrySetResult(number);
                }
            };
            process.BeginOutputReadLine();
            long since = Stopwatch.GetTimestamp();
            while (!process.HasExited && Stopwatch.GetElapsedTime(since) < Patience)
            {
                if (said.Task.Wait(TimeSpan.FromMilliseconds(50)))
                {
                    return new ServerProcess(kind, process, said.Task.Result);
                }

                // A server of others need not say that it listens.
                if (kind.Need == Need.Nothing && Accepts(free))
                {
                    return new ServerProcess(kind, process, free);
                }
            }

            throw new RunException($"{kind.Name} did not start: {command}");
        }
        catch
        {
            Stop(process);
            throw;
        }
    }

    public void Dispose() => Stop(_process);

    private static void Stop(Process process)
    {
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }

        process.WaitForExit(Patience);
        process.Dispose();
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static bool Accepts(int port)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
