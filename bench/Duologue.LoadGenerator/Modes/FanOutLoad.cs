namespace Duologue.LoadGenerator;

/// <summary>
/// One publishes, all others receive. As many messages are on their way as <see cref="LoadOptions.Depth"/> says; a delivery's latency counts
/// from the publishing. A message, in the figures, is one delivery.
/// </summary>
internal sealed class FanOutLoad : Load
{
    private const int Remembered = 1 << 16; // publishings; a power of two

    private readonly byte[] _burst;
    private readonly int _frame;
    private readonly State[] _states;
    private readonly long[] _published = new long[Remembered];
    private long _count;
    private Link _publisher = null!;

    public FanOutLoad(LoadOptions options)
        : base(options)
    {
        if (options.Depth > Remembered / 2)
        {
            throw new LoadException($"At most {Remembered / 2} messages may be on their way.");
        }

        byte[] frame = Frames.FromClient(options.Text ? Frames.Text : Frames.Binary, Frames.Payload(options.Payload, options.Text));
        _frame = frame.Length;
        _burst = Frames.Repeat(frame, options.Depth);
        _states = new State[options.Connections + 1];
    }

    protected override string Name => "fan-out";

    public override void OnReceived(Link link, ReadOnlySpan<byte> bytes, int count)
    {
        // Who only receives is pinged now and then, so that bytes alone would not tell the messages.
        ref State state = ref _states[link.Index];
        int messages = state.Counter.Feed(bytes);
        Answer(link, ref state.Counter);
        if (messages == 0 || link == _publisher)
        {
            return;
        }

        long now = Latencies.Now;
        for (int i = 0; i < messages; i++)
        {
            long published = _published[state.Received++ & (Remembered - 1)];
            if (IsMeasuring)
            {
                Latencies.Add(published, now);
            }
        }

        Messages += messages;
    }

    protected override void Open()
    {
        base.Open();
        _publisher = OpenOne(Options.PublishPath ?? Options.Path + "/publish");
    }

    protected override void Start()
    {
        // A server may take a moment longer to subscribe than to answer the handshake; who misses the first message would be one behind for ever.
        long end = After(TimeSpan.FromMilliseconds(300));
        while (Latencies.Now < end)
        {
            Poller.Turn(TimeSpan.FromMilliseconds(50));
        }
    }

    protected override TimeSpan OnTurn()
    {
        long room = Options.Depth - (_count - (Messages / Options.Connections));
        if (room > 0 && !_publisher.IsBusy)
        {
            long now = Latencies.Now;
            for (long i = 0; i < room; i++)
            {
                _published[_count++ & (Remembered - 1)] = now;
            }

            _publisher.Send(_burst.AsMemory(0, (int)room * _frame));
        }

        return base.OnTurn();
    }

    private struct State
    {
        public long Received;
        public FrameCounter Counter;
    }
}
