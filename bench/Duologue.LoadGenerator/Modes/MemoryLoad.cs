using System.Text;

namespace Duologue.LoadGenerator;

/// <summary>
/// Many connections that rest. What one costs the server is a slope, between fewer of them and all, so that what the server needs once does not
/// count; each has been used before. Pings are answered meanwhile, as any client would.
/// </summary>
internal sealed class MemoryLoad : Load
{
    private const int WarmConnections = 200;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly byte[][] _messages;
    private readonly List<FrameCounter> _counters = [];
    private readonly HashSet<Link> _closed = [];
    private bool _isCollected;
    private bool _closing;

    public MemoryLoad(LoadOptions options)
        : base(options)
    {
        if (options.ProcessId == 0)
        {
            throw new LoadException("Name the server's process by --pid.");
        }

        _messages = options.Offer is null
            ? [Frames.FromClient(options.Text ? Frames.Text : Frames.Binary, Frames.Payload(options.Payload, options.Text))]
            : CompressedMessages.Make(options.Payload);
    }

    protected override string Name => Options.Mode == LoadMode.Idle ? "idle" : "burst";

    public LoadResult Idle()
    {
        int few = Options.From ?? Math.Max(1, Options.Connections / 3);
        ProcessMemory none = Memory();
        Fill(few);
        ProcessMemory some = Memory();
        Fill(Options.Connections);
        ProcessMemory all = Memory();
        return new LoadResult(Name)
            .Add("conns", Options.Connections, 0)
            .Add("from", few, 0)
            .Add("payload", Options.Payload, 0)
            .Add("collected", _isCollected ? 1 : 0, 0)
            .Add("rss_none_kb", none.Resident, 0)
            .Add("rss_from_kb", some.Resident, 0)
            .Add("rss_all_kb", all.Resident, 0)
            .Add("rss_first", Slope(none.Resident, some.Resident, few), 1)
            .Add("rss_slope", Slope(some.Resident, all.Resident, Options.Connections - few), 1)
            .Add("pss_slope", Slope(some.Proportional, all.Proportional, Options.Connections - few), 1);
    }

    public LoadResult Burst()
    {
        Fill(Math.Min(WarmConnections, Options.Connections));
        CloseAll();
        Rest(Options.Warmup);
        ProcessMemory before = Memory();
        Fill(Options.Connections);
        ProcessMemory full = ProcessMemory.Of(Options.ProcessId);
        CloseAll();
        Rest(Options.Duration);
        ProcessMemory after = ProcessMemory.Of(Options.ProcessId);
        ProcessMemory collected = Memory();
        return new LoadResult(Name)
            .Add("conns", Options.Connections, 0)
            .Add("sec", Options.Duration.TotalSeconds, 1)
            .Add("collected", _isCollected ? 1 : 0, 0)
            .Add("rss_before_kb", before.Resident, 0)
            .Add("rss_full_kb", full.Resident, 0)
            .Add("rss_after_kb", after.Resident, 0)
            .Add("rss_collected_kb", collected.Resident, 0)
            .Add("left_kb", after.Resident - before.Resident, 0)
            .Add("left_collected_kb", collected.Resident - before.Resident, 0);
    }

    public override void OnReceived(Link link, ReadOnlySpan<byte> bytes, int count)
    {
        FrameCounter counter = _counters[link.Index];
        Messages += counter.Feed(bytes);
        if (counter.Pong is { } pong && !link.IsBusy && !_closing)
        {
            link.Send(pong);
            counter.TakePong();
        }

        _counters[link.Index] = counter;
        if (counter.IsClosed)
        {
            _closed.Add(_closing ? link : throw new LoadException("The server closed a connection."));
        }
    }

    public override void OnEnd(Link link)
    {
        // After a Close the server's end of the connection is what should come.
        if (!_closing)
        {
            base.OnEnd(link);
        }
    }

    protected override void Start()
    {
    }

    private static double Slope(double from, double to, int connections) => (to - from) * 1024 / connections;

    private void Fill(int upTo)
    {
        while (Links.Count < upTo)
        {
            _counters.Add(default);
            Link link = OpenOne(Options.Path);
            for (int i = 0; i < Options.Depth; i++)
            {
                long expected = Messages + 1;
                link.Send(_messages[(link.Index + i) % _messages.Length]);
                RunUntil(After(Patience), () => Messages >= expected);
            }
        }

        Rest(Options.Mode == LoadMode.Idle ? Options.Duration : TimeSpan.Zero);
    }

    /// <summary>Time passes, and pings are answered.</summary>
    private void Rest(TimeSpan time)
    {
        long end = After(time);
        while (Latencies.Now < end)
        {
            Poller.Turn(TimeSpan.FromMilliseconds(50));
        }
    }

    private void CloseAll()
    {
        _closing = true;
        foreach (Link link in Links)
        {
            link.Send(Frames.NormalClose);
        }

        long end = After(Patience);
        while (_closed.Count < Links.Count)
        {
            if (Latencies.Now > end)
            {
                throw new LoadException("The server did not answer a Close.");
            }

            Poller.Turn(TimeSpan.FromMilliseconds(50));
        }

        _closing = false;
        _closed.Clear();
        _counters.Clear();
        DropLinks();
    }

    private ProcessMemory Memory()
    {
        if (Options.Collect is { } path)
        {
            _isCollected = Collects(path);
            Rest(TimeSpan.FromMilliseconds(500));
        }

        return ProcessMemory.Of(Options.ProcessId);
    }

    /// <summary>Whether the server knows the path; one that does not cannot be asked.</summary>
    private bool Collects(string path)
    {
        if (Options.Tls)
        {
            return false;
        }

        using RawStream stream = RawStream.Connect(Options.Host, Options.Port, 0);
        stream.Write(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: {Options.Host}:{Options.Port}\r\nConnection: close\r\n\r\n"));
        byte[] answer = new byte[4096];
        try
        {
            int count = stream.Read(answer);
            return Encoding.ASCII.GetString(answer, 0, count).StartsWith("HTTP/1.1 2", StringComparison.Ordinal);
        }
        catch (LoadException)
        {
            return false;
        }
    }
}
