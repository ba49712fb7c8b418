using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Duologue.AspNetCore.Tests.Sessions;

/// <summary>A middlebox that has something against WebSockets: it resets or swallows each handshake, and forwards all else.</summary>
internal sealed class Middlebox : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _met = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Uri _target;
    private readonly bool _resets;
    private readonly Task _accepting;

    private Middlebox(Uri target, bool resets)
    {
        (_target, _resets) = (target, resets);
        _listener.Start();
        _stop.Token.Register(() => _stopped.TrySetResult());
        _accepting = AcceptAsync();
    }

    /// <summary>Completes when a handshake has come.</summary>
    public Task MetHandshake => _met.Task;

    public static Middlebox Resetting(Uri target) => new(target, resets: true);

    public static Middlebox Swallowing(Uri target) => new(target, resets: false);

    public Uri WebSocketUrl(string path) => new($"ws://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}{path}");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var served = new List<Task>();
        try
        {
            while (true)
            {
                served.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(served);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            using TcpClient _ = client;
            NetworkStream near = client.GetStream();
            byte[] buffer = new byte[16 * 1024];
            int length = 0;
            while (buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8) < 0)
            {
                int count = await near.ReadAsync(buffer.AsMemory(length), _stop.Token);
                if (count == 0)
                {
                    return;
                }

                length += count;
            }

            if (Encoding.Latin1.GetString(buffer, 0, length).Contains("\r\nUpgrade:", StringComparison.OrdinalIgnoreCase))
            {
                _met.TrySetResult();
                if (_resets)
                {
                    client.LingerState = new LingerOption(true, 0);
                    return;
                }

                await _stopped.Task;
                return;
            }

            using var server = new TcpClient();
            await server.ConnectAsync(_target.Host, _target.Port, _stop.Token);
            NetworkStream far = server.GetStream();
            await far.WriteAsync(buffer.AsMemory(0, length), _stop.Token);
            await await Task.WhenAny(near.CopyToAsync(far, _stop.Token), far.CopyToAsync(near, _stop.Token));
        }
        catch (Exception error) when (error is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
        {
            // One of the two has gone, or the test is over.
        }
    }
}
