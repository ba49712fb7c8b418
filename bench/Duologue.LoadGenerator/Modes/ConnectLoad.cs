using System.Diagnostics;

namespace Duologue.LoadGenerator;

/// <summary>
/// A storm of reconnects: each connection goes from nothing to its first echo, some at a time. When so many are open as a batch has, all are
/// closed, outside the time that is measured, and the next batch comes.
/// </summary>
internal sealed class ConnectLoad(LoadOptions options) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Poller _poller = new();
    private readonly Latencies _latencies = new();
    private readonly byte[] _message = options.Offer is null
        ? Frames.FromClient(options.Text ? Frames.Text : Frames.Binary, Frames.Payload(options.Payload, options.Text))
        : CompressedMessages.Make(options.Payload)[0];

    // With TLS what is asynchronous may end on other threads.
    private readonly Lock _gate = new();
    private readonly List<Stream> _open = [];
    private volatile Exception? _failure;
    private volatile int _opened;
    private int _closed;
    private int _index;

    public LoadResult Run()
    {
        for (long start = Latencies.Now; Stopwatch.GetElapsedTime(start) < options.Warmup;)
        {
            OpenBatch();
            CloseBatch();
        }

        _latencies.Clear();
        CpuTime server = default;
        CpuTime own = default;
        double elapsed = 0;
        long connections = 0;
        for (long start = Latencies.Now; connections == 0 || Stopwatch.GetElapsedTime(start) < options.Duration;)
        {
            Window window = Window.Begin(options, 0);
            OpenBatch();
            server += CpuTime.Of(options.ProcessId) - window.Server;
            own += CpuTime.Of(Environment.ProcessId) - window.Own;
            elapsed += Stopwatch.GetElapsedTime(window.Start).TotalNanoseconds;
            connections += options.Connections;
            CloseBatch();
        }

        LoadResult result = Window.Result(options, "connect", connections, elapsed, server, own);
        _latencies.AddTo(result);
        return result;
    }

    public void Dispose()
    {
        _open.ForEach(stream => stream.Dispose());
        _poller.Dispose();
    }

    private void OpenBatch()
    {
        int started = 0;
        RunUntil(() =>
        {
            while (started < options.Connections && started - _opened < options.Depth)
            {
                started++;
                _ = OpenAsync(_index++);
            }

            return _opened == options.Connections;
        });
    }

    private void CloseBatch()
    {
        _closed = 0;
        _open.ForEach(stream => _ = CloseAsync(stream));
        RunUntil(() => Volatile.Read(ref _closed) == _open.Count);
        _open.ForEach(stream => stream.Dispose());
        _open.Clear();
        _opened = 0;
    }

    private void RunUntil(Func<bool> done)
    {
        long start = Latencies.Now;
        while (!done())
        {
            if (_failure is not null || Stopwatch.GetElapsedTime(start) > Patience)
            {
                throw new LoadException(_failure?.Message ?? $"{_opened:N0} of {options.Connections:N0} connections were open after {Patience.TotalSeconds:N0} s.");
            }

            _poller.Turn(TimeSpan.FromMilliseconds(50));
        }
    }

    private async Task OpenAsync(int index)
    {
        try
        {
            long start = Latencies.Now;
            RawStream socket = await RawStream.ConnectAsync(options.Host, options.Port, index, _poller);
            Stream stream = await Handshake.OpenAsync(socket, options, options.Path);
            await stream.WriteAsync(_message);
            byte[] buffer = new byte[512];
            FrameCounter counter = default;
            while (counter.Feed(buffer.AsSpan(0, Handshake.Some(await stream.ReadAsync(buffer)))) == 0)
            {
            }

            long now = Latencies.Now;
            lock (_gate)
            {
                _latencies.Add(start, now);
                _open.Add(stream);
                _opened = _open.Count;
            }
        }
        catch (Exception exception) when (exception is LoadException or IOException)
        {
            _failure = exception;
        }
    }

    private async Task CloseAsync(Stream stream)
    {
        try
        {
            await stream.WriteAsync(Frames.NormalClose);
            byte[] buffer = new byte[512];
            FrameCounter counter = default;
            int count;
            do
            {
                count = await stream.ReadAsync(buffer);
                counter.Feed(buffer.AsSpan(0, count));
            }
            while (count > 0 && !counter.IsClosed);
        }
        catch (Exception exception) when (exception is LoadException or IOException)
        {
            // It is gone, one way or the other.
        }

        Interlocked.Increment(ref _closed);
    }
}
