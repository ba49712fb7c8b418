using System.Net;
using System.Net.Sockets;

namespace Duologue.Redis.Tests.Support;

/// <summary>A machine that says nothing: it takes connections and no more, or swallows even what would open one, as one does that is gone.</summary>
internal sealed class SilentMachine : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<Socket> _fill = [];

    public SilentMachine()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(100);
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}");

    /// <summary>Nobody is accepted, and there is no room for one more to wait.</summary>
    public async Task SwallowAsync()
    {
        _listener.Listen(0);
        for (int i = 0; i < 5; i++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _fill.Add(socket);
            Task connected = socket.ConnectAsync(_listener.LocalEndPoint!);
            if (i == 0)
            {
                await connected;
            }
            else
            {
                _ = connected.ContinueWith(static ended => ended.Exception, TaskScheduler.Default);
            }
        }
    }

    public void Dispose()
    {
        _fill.ForEach(socket => socket.Dispose());
        _listener.Dispose();
    }
}
