namespace Duologue.Faults.Tests;

/// <summary>One server and one crowd for all the faults, in the small form of <c>bench/faults/run</c>.</summary>
public sealed class Attack : IAsyncLifetime
{
    private FaultServer? _server;
    private ServerHandle? _handle;
    private Crowd? _crowd;
    private Campaign? _campaign;

    internal static Plan Plan => Plan.Small;

    internal ServerHandle Server => _handle!;

    internal Crowd Crowd => _crowd!;

    /// <summary>Linux and Windows have all of 127.0.0.0/8 at hand; an attacker without an address of its own would meet the limits of the others.</summary>
    internal static bool CanRun => OperatingSystem.IsLinux() || OperatingSystem.IsWindows();

    public async ValueTask InitializeAsync()
    {
        if (CanRun)
        {
            _server = await FaultServer.StartAsync(Plan);
            _handle = new ServerHandle(_server.Url, null);
            _crowd = await Crowd.StartAsync(_server.Url, Plan);
            _campaign = new Campaign(_handle, _crowd, Plan);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_crowd is not null)
        {
            await _crowd.DisposeAsync();
            await _handle!.DisposeAsync();
            await _server!.DisposeAsync();
        }
    }

    /// <summary>All the tries of one fault; none runs beside another, for what the server counts is theirs together.</summary>
    internal Task<FaultResult> RunAsync(string name)
    {
        (int index, Fault fault) = KnownFaults.All(Plan).Index().Single(pair => pair.Item.Name == name);
        return _campaign!.RunAsync(fault, 10 + index, _ => { });
    }
}
