using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Duologue.Comparison;

namespace Duologue.Backplane;

/// <summary>A redis-server of our own, on a free port and in a folder of its own, that can be killed, paused and started again.</summary>
internal sealed class RedisProcess : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("duologue-backplane-").FullName;
    private readonly bool _appendOnly;
    private readonly int? _core;
    private Process _process;

    /// <param name="appendOnly">Whether it writes down what it is told (AOF, flushed every second), so that a killed one comes back with it.</param>
    /// <param name="core">The processor that it has; null for any.</param>
    public RedisProcess(bool appendOnly, int? core)
    {
        (_appendOnly, _core) = (appendOnly, core);
        do
        {
            Port = FreePort();
        }
        while (!TryStart(out _process));
    }

    public static string? Program { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Append("/usr/bin").Select(folder => Path.Combine(folder, "redis-server")).FirstOrDefault(File.Exists);

    public int Port { get; private set; }

    public int Id => _process.Id;

    public string Address => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    /// <summary>As kill -9 does: nothing is said to anyone.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Restart()
    {
        while (!TryStart(out _process))
        {
            Thread.Sleep(100);
        }
    }

    public void Pause() => Signal("STOP");

    public void Continue() => Signal("CONT");

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Where nobody listens, below the ports that the system gives to those who ask for any: nobody takes it while who listens there is away. Tests that may run at the same time take theirs from other thousands.</summary>
    public static int FreePort()
    {
        while (true)
        {
            int port = Random.Shared.Next(30_000, 32_000);
            using TcpListener probe = new(IPAddress.Loopback, port);
            try
            {
                probe.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody has it.
            }
        }
    }

    private void Signal(string name)
    {
        using Process kill = Process.Start("kill", [$"-{name}", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    // Whether it came so far as to listen: the port may have been taken since it was looked at.
    private bool TryStart(out Process process)
    {
        string program = Program ?? throw new RunException("redis-server is not installed (Debian: redis-server).");
        string[] arguments =
        [
            "--port", Port.ToString(CultureInfo.InvariantCulture), "--bind", "127.0.0.1", "--dir", _folder, "--save", "",
            "--appendonly", _appendOnly ? "yes" : "no",
        ];
        process = Process.Start(Pinning.Start(_core, program, arguments))!;
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (line.Contains("Ready to accept connections", StringComparison.Ordinal))
            {
                _ = process.StandardOutput.ReadToEndAsync();
                return true;
            }
        }

        process.WaitForExit();
        process.Dispose();
        return false;
    }
}
