using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Duologue.Tests.Shared;

/// <summary>
/// A line that can fail: carries TCP connections to a port of this machine, and cuts, mutes or slows them when told. To several ports it leads by turns, to the next that takes a connection, as a balancer
/// does. Thread-safe.
/// </summary>
internal sealed class Relay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _over = new();
    private readonly ConcurrentDictionary<Line, Task> _lines = new();
    private readonly Task _accepting;
    private volatile int[] _targets;
    private volatile bool _isBroken;
    private volatile bool _isHole;
    private long _delay;
    private int _cuts;
    private int _opened;
    private int _turn;

    public Relay(params int[] targets)
    {
        _targets = targets;
        _listener.Start(1024);
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAllAsync();
    }

    public int Port { get; }

    public string Address => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    public Uri Url => new($"http://{Address}");

    /// <summary>How long each connection lives before it is cut; null for as long as its ends want. Asked for one after the other.</summary>
    public Func<TimeSpan?>? Lives { get; init; }

    /// <summary>Of the first connection: this answer, counted from 1 in pieces as they come, is not given on, and the connection is cut instead. 0 for none.</summary>
    public int CutsFirstAnswers { get; init; }

    /// <summary>How many bytes of answers a connection gives on before it is cut, in the midst of one as it may be; null for all. Asked for one connection after the other.</summary>
    public Func<int?>? AnswersLast { get; init; }

    /// <summary>How long each piece waits before it is given on, either way; what comes meanwhile is the next piece.</summary>
    public TimeSpan Delay
    {
        get => TimeSpan.FromTicks(Volatile.Read(ref _delay));
        set => Volatile.Write(ref _delay, value.Ticks);
    }

    /// <summary>How many connections were cut.</summary>
    public int Cuts => Volatile.Read(ref _cuts);

    /// <summary>How many connections there are.</summary>
    public int Open => _lines.Count;

    /// <summary>How many connections have come.</summary>
    public int Opened => Volatile.Read(ref _opened);

    /// <summary>Where those go who come later; to no port, they are not let through.</summary>
    public void LeadTo(params int[] targets) => _targets = targets;

    /// <summary>Cuts all, and ends at once what comes, until it is mended.</summary>
    public void Break()
    {
        _isBroken = true;
        CutAll();
    }

    /// <summary>From here on nothing comes through, and nobody is told: no connection is ended, and new ones are taken and are as mute.</summary>
    public void Swallow()
    {
        _isHole = true;
        foreach (Line line in _lines.Keys)
        {
            line.IsMute = true;
        }
    }

    /// <summary>The same, but only for what is answered, and not for who comes later.</summary>
    public void SwallowAnswers()
    {
        foreach (Line line in _lines.Keys)
        {
            line.IsAnswerMute = true;
        }
    }

    /// <summary>Who comes now gets through again; those of before stay cut, or mute.</summary>
    public void Mend() => _isBroken = _isHole = false;

    public void CutAll() => Cut(static _ => true);

    /// <summary>Cuts those whose number is chosen, some with a reset and some with an end.</summary>
    public void Cut(Func<int, bool> isChosen)
    {
        foreach (Line line in _lines.Keys.Where(line => isChosen(line.Number)))
        {
            Cut(line);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        _listener.Stop();
        await _accepting;
        foreach (Line line in _lines.Keys)
        {
            line.End(resets: true);
        }

        await Task.WhenAll(_lines.Values);
        _over.Dispose();
    }

    private void Cut(Line line)
    {
        if (line.End(resets: line.Number % 2 == 0))
        {
            Interlocked.Increment(ref _cuts);
        }
    }

    private async Task AcceptAllAsync()
    {
        try
        {
            while (true)
            {
                Socket near = await _listener.AcceptSocketAsync(_over.Token);
                var line = new Line(Interlocked.Increment(ref _opened), near) { IsMute = _isHole };
                var begins = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _lines.TryAdd(line, CarryAsync(line, begins.Task));

                // After it is among the lines: who breaks all meanwhile either finds it there, or is found here.
                if (_isBroken)
                {
                    line.End(resets: true);
                }

                line.IsMute |= _isHole;
                line.AnswersLast = AnswersLast?.Invoke();
                if (Lives?.Invoke() is { } life)
                {
                    _ = CutAfterAsync(line, life);
                }

                begins.SetResult();
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // It is over.
        }
    }

    private async Task CutAfterAsync(Line line, TimeSpan life)
    {
        await Task.WhenAny(line.Ended, Task.Delay(life));
        Cut(line);
    }

    private async Task CarryAsync(Line line, Task begins)
    {
        await begins;
        try
        {
            Socket far = await ConnectAsync();
            line.Far = far;
            line.Near.NoDelay = far.NoDelay = true;
            await Task.WhenAll(CopyAsync(line, line.Near, far, isAnswer: false), CopyAsync(line, far, line.Near, isAnswer: true));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Nobody listens there at this moment, or it was cut.
        }

        line.End(resets: false);
        _lines.TryRemove(line, out _);
    }

    private async Task<Socket> ConnectAsync()
    {
        int[] targets = _targets;
        if (targets.Length == 0)
        {
            throw new SocketException((int)SocketError.ConnectionRefused);
        }

        for (int attempt = 1; ; attempt++)
        {
            Socket far = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                int turn = Interlocked.Increment(ref _turn) & int.MaxValue;
                await far.ConnectAsync(IPAddress.Loopback, targets[turn % targets.Length], _over.Token);
                return far;
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                far.Dispose();
                if (attempt >= targets.Length)
                {
                    throw;
                }
            }
        }
    }

    private async Task CopyAsync(Line line, Socket from, Socket to, bool isAnswer)
    {
        byte[] buffer = new byte[8 * 1024];
        try
        {
            int count;
            for (int piece = 1; (count = await from.ReceiveAsync(buffer, _over.Token)) > 0; piece++)
            {
                if (isAnswer && line.Number == 1 && piece == CutsFirstAnswers)
                {
                    Cut(line);
                    return;
                }

                if (Delay > TimeSpan.Zero)
                {
                    await Task.Delay(Delay, _over.Token);
                }

                int given = isAnswer && line.AnswersLast is { } left && left < count ? left : count;
                for (int sent = 0; sent < given && !line.IsMute && !(isAnswer && line.IsAnswerMute);)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, given - sent), _over.Token);
                }

                if (isAnswer && (line.AnswersLast -= given) <= 0)
                {
                    Cut(line);
                    return;
                }
            }

            // What one side says of its end comes through no mute line either.
            await line.CanTellAsync();
            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // A reset of one side is a reset for the other.
            await line.CanTellAsync();
            line.End(resets: true);
        }
    }

    /// <summary>One connection: what came, and what was opened for it.</summary>
    private sealed class Line(int number, Socket near)
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile Socket? _far;
        private volatile bool _isMute;
        private volatile bool _isAnswerMute;

        public int Number => number;

        public Socket Near => near;

        public Task Ended => _ended.Task;

        public bool IsMute
        {
            get => _isMute;
            set => _isMute = value;
        }

        public bool IsAnswerMute
        {
            get => _isAnswerMute;
            set => _isAnswerMute = value;
        }

        // How many bytes of answers are given on before it is cut. By the one who carries them.
        public int? AnswersLast { get; set; }

        public Socket Far
        {
            set
            {
                _far = value;
                if (_ended.Task.IsCompleted)
                {
                    value.Dispose();
                }
            }
        }

        /// <summary>At once, but on a mute line not before it has ended.</summary>
        public Task CanTellAsync() => IsMute || IsAnswerMute ? Ended : Task.CompletedTask;

        /// <summary>Ends both sides; false if they have ended before.</summary>
        public bool End(bool resets)
        {
            bool isFirst = _ended.TrySetResult();
            End(near, resets);
            if (_far is { } far)
            {
                End(far, resets);
            }

            return isFirst;
        }

        private static void End(Socket socket, bool resets)
        {
            try
            {
                if (resets)
                {
                    socket.LingerState = new LingerOption(true, 0);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // It has ended by itself.
            }

            socket.Dispose();
        }
    }
}
