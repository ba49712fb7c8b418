using System.Diagnostics;

namespace Duologue.LoadGenerator;

/// <summary>A load over open conversations, on one thread: opens them, lets it run warm, measures.</summary>
internal abstract class Load(LoadOptions options) : ILinkHandler, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(100);

    private readonly List<Link> _links = [];

    protected LoadOptions Options { get; } = options;

    protected Poller Poller { get; } = new();

    protected Latencies Latencies { get; } = new();

    protected IReadOnlyList<Link> Links => _links;

    /// <summary>All that have come back.</summary>
    protected long Messages { get; set; }

    protected bool IsMeasuring { get; private set; }

    public static LoadResult Run(LoadOptions options)
    {
        Libc.RaiseDescriptorLimit();
        switch (options.Mode)
        {
            case LoadMode.Connect:
                using (ConnectLoad load = new(options))
                {
                    return load.Run();
                }

            case LoadMode.Idle or LoadMode.Burst:
                using (MemoryLoad load = new(options))
                {
                    return options.Mode == LoadMode.Idle ? load.Idle() : load.Burst();
                }

            default:
                using (Load load = options.Mode switch { LoadMode.OpenLoop => new OpenLoad(options), LoadMode.FanOut => new FanOutLoad(options), _ => new EchoLoad(options) })
                {
                    return load.Measure();
                }
        }
    }

    public virtual bool Looks(Link link) => true;

    public abstract void OnReceived(Link link, ReadOnlySpan<byte> bytes, int count);

    public virtual void OnSent(Link link)
    {
    }

    public virtual void OnEnd(Link link) => throw new LoadException("The server ended a connection.");

    public void Dispose()
    {
        DropLinks();
        Poller.Dispose();
    }

    protected abstract string Name { get; }

    protected virtual void Open()
    {
        for (int i = 0; i < Options.Connections; i++)
        {
            OpenOne(Options.Path);
        }
    }

    protected Link OpenOne(string path)
    {
        Link link = Link.Open(Options, path, _links.Count, this, Poller);
        _links.Add(link);
        return link;
    }

    protected void DropLinks()
    {
        _links.ForEach(link => link.Dispose());
        _links.Clear();
    }

    /// <summary>All is open; the load begins.</summary>
    protected abstract void Start();

    /// <summary>What is due by the clock; how long nothing will be.</summary>
    protected virtual TimeSpan OnTurn() => LongestWait;

    /// <summary>The time of measuring is over; what is on its way may still come.</summary>
    protected virtual void OnMeasured()
    {
    }

    protected virtual void AddTo(LoadResult result) => Latencies.AddTo(result);

    /// <summary>Until then, or until it is enough.</summary>
    protected void RunUntil(long end, Func<bool>? enough = null)
    {
        long progress = Messages;
        long since = Latencies.Now;
        long now;
        while ((now = Latencies.Now) < end && enough?.Invoke() != true)
        {
            TimeSpan wait = OnTurn();
            TimeSpan left = Stopwatch.GetElapsedTime(now, end);
            Poller.Turn(wait < left ? wait : left);
            if (Messages != progress)
            {
                (progress, since) = (Messages, now);
            }
            else if (Stopwatch.GetElapsedTime(since, now) > Patience)
            {
                throw new LoadException($"No message came for {Patience.TotalSeconds:N0} s.");
            }
        }
    }

    /// <summary>What every peer does about control frames: a ping is answered as soon as nothing else waits to be sent.</summary>
    protected static void Answer(Link link, ref FrameCounter counter)
    {
        if (counter.IsClosed)
        {
            throw new LoadException("The server closed a connection.");
        }

        if (counter.Pong is { } pong && !link.IsBusy)
        {
            link.Send(pong);
            counter.TakePong();
        }
    }

    protected static long After(TimeSpan time) => Latencies.Now + (long)(time.TotalSeconds * Stopwatch.Frequency);

    private LoadResult Measure()
    {
        Open();
        Start();
        RunUntil(After(Options.Warmup));
        Latencies.Clear();
        IsMeasuring = true;
        Window window = Window.Begin(Options, Messages);
        RunUntil(After(Options.Duration));
        LoadResult result = window.End(Name, Messages);
        OnMeasured();
        AddTo(result);
        return result;
    }
}
