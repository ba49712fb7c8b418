using System.Globalization;

namespace Duologue.Soak;

/// <summary>A redis-server that can be killed, stopped and started again on its port; what it has confirmed is on the disk, or nothing ever is.</summary>
internal sealed class RedisProcess : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("duologue-soak-").FullName;
    private readonly string _program;
    private readonly bool _isPersistent;
    private Child _child = null!;

    private RedisProcess(string program, bool isPersistent) => (_program, _isPersistent) = (program, isPersistent);

    public static string? Program { get; } = Child.Find("redis-server");

    public int Port { get; private set; }

    public static async Task<RedisProcess> StartAsync(bool isPersistent, CancellationToken cancellationToken)
    {
        var redis = new RedisProcess(Program ?? throw new SoakException("There is no redis-server: install Redis 7 or later."), isPersistent);
        while (true)
        {
            redis.Port = Child.FreePort();
            if (await redis.TryRunAsync(cancellationToken))
            {
                return redis;
            }
        }
    }

    public Task KillAsync() => _child.KillAsync();

    public async Task RestartAsync(CancellationToken cancellationToken)
    {
        await _child.DisposeAsync();
        while (!await TryRunAsync(cancellationToken))
        {
            await Task.Delay(100, cancellationToken);
        }
    }

    public Task PauseAsync() => _child.SignalAsync("STOP");

    public Task ResumeAsync() => _child.SignalAsync("CONT");

    public async ValueTask DisposeAsync()
    {
        await _child.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<bool> TryRunAsync(CancellationToken cancellationToken)
    {
        string[] durable = _isPersistent ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--appendonly", "no"];
        string[] arguments = ["--port", Port.ToString(CultureInfo.InvariantCulture), "--bind", "127.0.0.1", "--dir", _folder, "--save", "", .. durable];
        Child? child = await Child.TryStartAsync(_program, arguments, static line => line.Contains("Ready to accept connections", StringComparison.Ordinal), cancellationToken);
        _child = child ?? _child;
        return child is not null;
    }
}
