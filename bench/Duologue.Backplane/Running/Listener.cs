using System.Net;
using System.Net.Sockets;
using Duologue.Comparison;

namespace Duologue.Backplane;

/// <summary>One who hears in Redis all that any channel carries, and throws it away: to Redis what one more node is.</summary>
internal sealed class Listener : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Thread _reading;

    public Listener(int port)
    {
        _socket.Connect(IPAddress.Loopback, port);
        _socket.Send("PUBSUB CHANNELS\r\n"u8);
        byte[] buffer = new byte[64 * 1024];
        string[] words = System.Text.Encoding.UTF8.GetString(buffer, 0, _socket.Receive(buffer)).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);

        // RESP: the number of names, then of each its length and itself. By name, as a node does: a pattern would cost Redis more.
        string[] channels = [.. words.Skip(1).Where((_, i) => i % 2 == 1)];
        if (channels.Length == 0)
        {
            throw new RunException("Redis has no channel to listen to.");
        }

        _socket.Send(System.Text.Encoding.UTF8.GetBytes($"SUBSCRIBE {string.Join(' ', channels)}\r\n"));
        _reading = new Thread(() => Drain(buffer)) { IsBackground = true };
        _reading.Start();
    }

    public void Dispose()
    {
        _socket.Dispose();
        _reading.Join();
    }

    private void Drain(byte[] buffer)
    {
        try
        {
            while (_socket.Receive(buffer) > 0)
            {
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The run is over.
        }
    }
}
