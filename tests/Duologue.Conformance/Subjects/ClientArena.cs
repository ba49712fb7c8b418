using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Duologue.Conformance.Carriers;
using Duologue.Conformance.Cases;
using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Subjects;

/// <summary>Duologue's client in an echo loop, and hostile servers.</summary>
internal sealed class ClientArena(Carrier carrier) : Arena
{
    private readonly ConcurrentDictionary<string, Meeting> _meetings = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpConnectionPool _pool = new();
    private HostileServer? _server;
    private int _last;

    public override bool JudgesServer => false;

    public override string Subject => "client, pull loop";

    public override Carrier Carrier => carrier;

    public override async Task StartAsync() => _server = carrier.IsHttp2()
        ? await HostileHttp2Server.StartAsync(carrier, MeetAsync)
        : HostileTcpServer.Start(carrier, MeetAsync);

    public override async Task<Wire> OpenAsync(Case @case, CancellationToken cancellationToken)
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/{Interlocked.Increment(ref _last)}");
        var meeting = new Meeting(@case.Extensions);
        _meetings[path] = meeting;
        _ = RunClientAsync(path, @case.Profile, meeting);
        return await meeting.Wire.Task.WaitAsync(Player.Patience, cancellationToken);
    }

    // The hostile server asks what to answer, and then has the wire.
    private Meeting MeetAsync(string path) => _meetings.TryRemove(path, out Meeting? meeting) ? meeting : throw new InvalidOperationException($"Nobody waits at {path}.");

    private async Task RunClientAsync(string path, Profile profile, Meeting meeting)
    {
        string scheme = carrier.IsTls() ? "wss" : "ws";
        ConnectOptions options = Echo.Limit(
            new ConnectOptions
            {
                UseProxy = false,
                ConnectTimeout = Player.Patience,
                HttpVersion = carrier.IsHttp2() ? HttpVersion.Version20 : HttpVersion.Version11,
                HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact,
                Pool = _pool,
                RemoteCertificateValidationCallback = carrier.IsTls() ? TlsIdentity.Trust : null,
            },
            profile);
        try
        {
            await using Connection connection = await Connection.ConnectAsync(new Uri($"{scheme}://127.0.0.1:{_server!.Port}{path}"), options, _stop.Token);
            await Echo.TalkAsync(connection);
            await connection.Closed;
        }
        catch (Exception e) when (e is DuologueException or OperationCanceledException)
        {
            // Once the wire is there, its own end tells of this.
            meeting.Wire.TrySetException(e);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _pool.Dispose();
        _stop.Dispose();
    }
}

/// <summary>One client that is expected, what it is to be answered, and the wire once it has come.</summary>
internal sealed record Meeting(string? Answer)
{
    public TaskCompletionSource<Wire> Wire { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What the client offered, for the judge.</summary>
    public string? Offered { get; set; }
}

/// <summary>A server that opens WebSockets and leaves all bytes behind that to the player.</summary>
internal abstract class HostileServer : IAsyncDisposable
{
    public abstract int Port { get; }

    public abstract ValueTask DisposeAsync();
}
