using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Duologue.Tests.Client.Peers;

/// <summary>Listens on a free port of 127.0.0.1 and serves each connection that comes, until it is disposed; then it waits for all.</summary>
internal sealed class AcceptLoop : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentBag<Task> _serving = [];
    private Task _accepting = Task.CompletedTask;
    private int _count;

    public AcceptLoop()
    {
        _listener.Start();
        Stop = _stop.Token;
    }

    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndpoint;

    /// <summary>Cancelled when it ends.</summary>
    public CancellationToken Stop { get; }

    /// <summary>How many connections have come.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Begins to accept. Once.</summary>
    public void Start(Func<TcpClient, Task> serve) => _accepting = AcceptAsync(serve);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (Task serving in _serving)
        {
            await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _stop.Dispose();
    }

    private async Task AcceptAsync(Func<TcpClient, Task> serve)
    {
        while (true)
        {
            TcpClient client = await _listener.AcceptTcpClientAsync(Stop);

            // Before anything is answered: who was served is counted.
            Interlocked.Increment(ref _count);
            _serving.Add(serve(client));
        }
    }
}
