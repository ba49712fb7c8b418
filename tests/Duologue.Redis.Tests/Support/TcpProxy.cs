using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Duologue.Redis.Tests.Support;

/// <summary>A line between a node and its store that a test can cut: with a reset, or so that nothing comes through and nobody is told.</summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<Line, bool> _lines = new();
    private readonly Task _accepting;
    private volatile int _target;
    private volatile bool _isHole;

    public TcpProxy(int target)
    {
        _target = target;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string PatientAddress => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port},asyncTimeout=120000,connectTimeout=60000");

    /// <summary>Where new lines go.</summary>
    public void Aim(int port) => _target = port;

    /// <summary>Ends all lines with a reset; new ones may come.</summary>
    public void Reset()
    {
        foreach ((Line line, bool _) in _lines)
        {
            line.Reset();
        }
    }

    /// <summary>From here on no line passes anything, nor is ended, and new ones are taken and are as mute.</summary>
    public void Swallow()
    {
        _isHole = true;
        foreach ((Line line, bool _) in _lines)
        {
            line.IsMute = true;
        }
    }

    /// <summary>New lines pass again; those of before stay mute.</summary>
    public void Heal() => _isHole = false;

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        Reset();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient near = await _listener.AcceptTcpClientAsync();
                _ = RunAsync(near);
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The listener was stopped.
        }
    }

    private async Task RunAsync(TcpClient near)
    {
        using var line = new Line(near) { IsMute = _isHole };
        _lines[line] = true;
        try
        {
            await line.RunAsync(_target);
        }
        catch (Exception error) when (error is SocketException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            // An end is gone.
        }

        _lines.TryRemove(line, out _);
    }

    private sealed class Line(TcpClient near) : IDisposable
    {
        private readonly TcpClient _far = new();

        public volatile bool IsMute;

        public async Task RunAsync(int target)
        {
            await _far.ConnectAsync(IPAddress.Loopback, target);
            (near.NoDelay, _far.NoDelay) = (true, true);
            await Task.WhenAny(PumpAsync(near.GetStream(), _far.GetStream()), PumpAsync(_far.GetStream(), near.GetStream()));
        }

        public void Dispose() => Reset();

        public void Reset()
        {
            foreach (TcpClient end in (TcpClient[])[near, _far])
            {
                try
                {
                    end.LingerState = new LingerOption(true, 0);
                }
                catch (Exception error) when (error is SocketException or ObjectDisposedException or NullReferenceException)
                {
                    // It is closed already.
                }

                end.Dispose();
            }
        }

        private async Task PumpAsync(NetworkStream from, NetworkStream to)
        {
            byte[] buffer = new byte[64 * 1024];
            while (await from.ReadAsync(buffer) is > 0 and int count)
            {
                if (!IsMute)
                {
                    await to.WriteAsync(buffer.AsMemory(0, count));
                }
            }

            while (IsMute)
            {
                // What one end says of its end does not come through either.
                await Task.Delay(100);
            }
        }
    }
}
