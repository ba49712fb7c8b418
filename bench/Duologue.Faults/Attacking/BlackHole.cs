using System.Net;
using System.Net.Sockets;

namespace Duologue.Faults;

/// <summary>
/// A relay between an attacker and the server that stops forwarding: the line is cut, and no FIN, no reset and no byte ever tells
/// either side.
/// </summary>
internal sealed class BlackHole : IDisposable
{
    private readonly Socket _listening = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Socket _outside = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly CancellationTokenSource _cut = new();
    private Socket? _inside;

    private BlackHole()
    {
    }

    public Uri Url => new($"http://{_listening.LocalEndPoint}");

    public static BlackHole Open(Uri server, IPAddress from)
    {
        var hole = new BlackHole();
        hole._listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        hole._listening.Listen(1);
        hole._outside.Bind(new IPEndPoint(from, 0));
        _ = hole.RelayAsync(server);
        return hole;
    }

    /// <summary>From now on nothing passes.</summary>
    public Task VanishAsync() => _cut.CancelAsync();

    public void Dispose()
    {
        _listening.Dispose();
        _inside?.Dispose();
        _outside.Dispose();
        _cut.Dispose();
    }

    private async Task RelayAsync(Uri server)
    {
        try
        {
            _inside = await _listening.AcceptAsync(_cut.Token);
            await _outside.ConnectAsync(IPAddress.Parse(server.Host), server.Port, _cut.Token);
            await Task.WhenAny(CopyAsync(_inside, _outside), CopyAsync(_outside, _inside));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Cut, or one side is gone: the attacker's own wait tells if that was too early.
        }
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[4096];
        try
        {
            while (true)
            {
                int count = await from.ReceiveAsync(buffer, _cut.Token);
                if (count == 0)
                {
                    return;
                }

                await to.SendAsync(buffer.AsMemory(0, count), _cut.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // As above.
        }
    }
}
