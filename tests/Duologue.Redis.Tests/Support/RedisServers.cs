using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Garnet;
using StackExchange.Redis;

namespace Duologue.Redis.Tests.Support;

/// <summary>A server for one test: Garnet in this process, which needs nothing installed, or redis-server as a process that can be killed.</summary>
internal abstract class StoreServer : IAsyncDisposable
{
    private static readonly ConcurrentDictionary<int, bool> Given = new();

    public abstract int Port { get; }

    public string Address => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    /// <summary>The address, for a client of a server that stays, on a machine that takes its time.</summary>
    public string PatientAddress => Patiently(Address);

    public static StoreServer Start(string kind) => kind == "garnet" ? GarnetStore.Start() : new RedisStore();

    public static string Patiently(string address) => address + ",asyncTimeout=120000,connectTimeout=60000";

    public abstract ValueTask DisposeAsync();

    /// <summary>
    /// Where nobody listens at this moment, below the ports that the system gives to those who ask for any, and given to no other: nobody takes it while a killed server is away.
    /// The tests of other projects, which may run at the same time, take theirs from other thousands.
    /// </summary>
    protected static int FreePort()
    {
        while (true)
        {
            int port = Random.Shared.Next(20_000, 24_000);
            if (!Given.TryAdd(port, true))
            {
                continue;
            }

            using var probe = new TcpListener(IPAddress.Loopback, port);
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
}

internal sealed class GarnetStore : StoreServer
{
    private readonly GarnetServer _server;

    private GarnetStore(GarnetServer server, int port) => (_server, Port) = (server, port);

    public override int Port { get; }

    public static GarnetStore Start()
    {
        for (int attempt = 0; ; attempt++)
        {
            int port = FreePort();
            try
            {
                // Scripts are off in Garnet unless asked for, and atomic only as transactions. Unless it is quiet, each shows its banner.
                var server = new GarnetServer(["--port", port.ToString(CultureInfo.InvariantCulture), "--bind", "127.0.0.1", "--lua", "--lua-transaction-mode", "true", "--memory", "64m", "--index", "8m", "--logger-level", "None", "-q", "true"]);
                server.Start();
                return new GarnetStore(server, port);
            }
            catch (SocketException) when (attempt < 10)
            {
                // Somebody else was faster.
            }
        }
    }

    public override ValueTask DisposeAsync()
    {
        _server.Dispose();
        return ValueTask.CompletedTask;
    }
}

internal sealed class RedisStore : StoreServer
{
    private static readonly string? Program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Append("/usr/bin").Select(folder => Path.Combine(folder, "redis-server")).FirstOrDefault(File.Exists);

    private readonly string _folder = Directory.CreateTempSubdirectory("duologue-redis-").FullName;
    private readonly string[] _arguments;
    private readonly int _port;
    private string? _copy;
    private Process _process;

    /// <summary>
    /// Starts one that keeps an append-only file: what it has answered has been written, so that a killed process loses nothing. By its default, <c>everysec</c>, it writes late while the disk is being flushed.
    /// </summary>
    public RedisStore()
        : this("--appendonly", "yes", "--appendfsync", "no")
    {
    }

    /// <summary>Starts one with arguments; <c>{port}</c> in them is the port, for one that listens otherwise than by <c>--port</c>.</summary>
    public RedisStore(params string[] arguments)
    {
        Assert.SkipUnless(Program is not null, "redis-server is not installed (Debian: redis-server); the same tests run on Garnet.");
        _arguments = arguments;
        int attempts = 0;
        do
        {
            Assert.True(++attempts < 20, $"redis-server does not start with {string.Join(' ', arguments)}.");
            _port = FreePort();
        }
        while (!TryRun(out _process));
    }

    public override int Port => _port;

    /// <summary>As kill -9 does: nothing is said to anyone.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    public async Task RestartAsync()
    {
        while (!TryRun(out _process))
        {
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>What it keeps, as it is now; of a server that writes perhaps a little less of its end.</summary>
    public void Copy() => CopyAll(_folder, _copy = Directory.CreateTempSubdirectory("duologue-redis-").FullName);

    /// <summary>Of a server that was killed: what it keeps is what it was when it was copied.</summary>
    public void RestoreCopy()
    {
        ForgetAll();
        CopyAll(_copy!, _folder);
    }

    /// <summary>Of a server that was killed: the end of its append-only file is gone.</summary>
    public void Truncate(int bytes)
    {
        string last = Directory.GetFiles(_folder, "*.incr.aof", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Last();
        using var file = new FileStream(last, FileMode.Open);
        file.SetLength(Math.Max(0, file.Length - bytes));
    }

    public void ForgetAll() => Array.ForEach(Directory.GetDirectories(_folder), folder => Directory.Delete(folder, recursive: true));

    public async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>It cannot write its snapshot, and so takes no write.</summary>
    public async Task FailToSaveAsync(ConnectionMultiplexer admin)
    {
        IServer server = admin.GetServers()[0];
        Directory.CreateDirectory(Path.Combine(_folder, "dump.rdb"));
        await server.ConfigSetAsync("save", "3600 1000000");
        await server.ExecuteAsync("BGSAVE");
        while (!((string)(await server.ExecuteAsync("INFO", "persistence"))!).Contains("rdb_last_bgsave_status:err", StringComparison.Ordinal))
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
        if (_copy is not null)
        {
            Directory.Delete(_copy, recursive: true);
        }
    }

    private static void CopyAll(string from, string to)
    {
        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    // Whether it came so far as to listen; the port may have been taken since it was looked at.
    private bool TryRun(out Process process)
    {
        var start = new ProcessStartInfo(Program!) { RedirectStandardOutput = true };
        string port = _port.ToString(CultureInfo.InvariantCulture);
        string[] where = _arguments.Contains("{port}") ? [] : ["--port", port];
        string[] arguments = [.. where, "--bind", "127.0.0.1", "--dir", _folder, "--save", "", .. _arguments.Select(argument => argument == "{port}" ? port : argument)];
        Array.ForEach(arguments, start.ArgumentList.Add);
        process = Process.Start(start)!;
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (line.Contains("Ready to accept connections", StringComparison.Ordinal))
            {
                _ = process.StandardOutput.ReadToEndAsync();
                return true;
            }
        }

        process.WaitForExit();
        return false;
    }
}
