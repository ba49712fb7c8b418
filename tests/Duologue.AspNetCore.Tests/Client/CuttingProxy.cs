using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Duologue.AspNetCore.Tests.Client;

/// <summary>Stands between clients and a server on this machine, and cuts each connection at random: by a reset or by FIN, and in the middle of whatever is under way.</summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Task, byte> _serving = [];
    private readonly IPEndPoint _target;
    private readonly Func<Random, TimeSpan?> _life;
    private readonly Random _seeds;
    private readonly Task _accepting;
    private int _cuts;
    private int _connections;

    /// <param name="target">Where the server is.</param>
    /// <param name="seed">Of all that is random here.</param>
    /// <param name="life">How long a connection lives; null for as long as its ends want.</param>
    public CuttingProxy(Uri target, int seed, Func<Random, TimeSpan?> life)
    {
        (_target, _life, _seeds) = (new IPEndPoint(IPAddress.Loopback, target.Port), life, new Random(seed));
        _listener.Start(backlog: 512);
        _accepting = AcceptAsync();
    }

    public Uri Url => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>Of the first connection: this answer of the server's, counted from 1 in pieces as they come, is not given on, and the connection is cut instead. 0 for none.</summary>
    public int CutsFirstAnswers { get; init; }

    /// <summary>How many connections were cut so far.</summary>
    public int Cuts => Volatile.Read(ref _cuts);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(_serving.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
            var random = new Random(_seeds.Next());
            Task serving = ServeAsync(client, random);
            _serving.TryAdd(serving, 0);
            _ = serving.ContinueWith(done => _serving.TryRemove(done, out _), TaskScheduler.Default);
        }
    }

    private async Task CopyAnswersAsync(NetworkStream from, NetworkStream to, CancellationTokenSource cut)
    {
        byte[] buffer = new byte[4096];
        for (int number = 1; ; number++)
        {
            int count = await from.ReadAsync(buffer, cut.Token);
            if (count == 0)
            {
                return;
            }

            if (number == CutsFirstAnswers)
            {
                await cut.CancelAsync();
                return;
            }

            await to.WriteAsync(buffer.AsMemory(0, count), cut.Token);
        }
    }

    private async Task ServeAsync(TcpClient client, Random random)
    {
        using TcpClient near = client;
        using var far = new TcpClient { NoDelay = true };
        near.NoDelay = true;
        try
        {
            await far.ConnectAsync(_target, _stop.Token);
            using var cut = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            bool isReset = random.Next(2) == 0;
            if (_life(random) is { } life)
            {
                cut.CancelAfter(life);
            }

            bool isFirst = Interlocked.Increment(ref _connections) == 1;
            Task ended = await Task.WhenAny(
                near.GetStream().CopyToAsync(far.GetStream(), 4096, cut.Token),
                isFirst && CutsFirstAnswers > 0 ? CopyAnswersAsync(far.GetStream(), near.GetStream(), cut) : far.GetStream().CopyToAsync(near.GetStream(), 4096, cut.Token));
            await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cut.IsCancellationRequested && !_stop.IsCancellationRequested)
            {
                Interlocked.Increment(ref _cuts);
                if (isReset)
                {
                    near.LingerState = new LingerOption(true, 0);
                    far.LingerState = new LingerOption(true, 0);
                }
            }
        }
        catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
        {
            // A connection that cannot be made, or is over, is one that was cut.
        }
    }
}
