using System.Diagnostics;

namespace Duologue.LoadGenerator;

/// <summary>
/// Messages at fixed times, one connection after the other, whether or not those before are back. Latency counts from the time at which a
/// message should have been sent, so that a server which stops everything for a while is charged with every message of that while (no
/// coordinated omission).
/// </summary>
internal sealed class OpenLoad : Load
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly byte[] _frame;
    private readonly State[] _states;
    private readonly double _interval;
    private long _start;
    private long _next; // the number of the message to send
    private long _firstMeasured;
    private bool _isOver;

    public OpenLoad(LoadOptions options)
        : base(options)
    {
        if (options.Offer is not null)
        {
            throw new LoadException("An open loop sends nothing compressed.");
        }

        byte first = options.Text ? Frames.Text : Frames.Binary;
        _frame = Frames.FromClient(first, Frames.Payload(options.Payload, options.Text));
        _states = new State[options.Connections];
        _interval = Stopwatch.Frequency / options.Rate;
    }

    protected override string Name => "open loop";

    public override void OnReceived(Link link, ReadOnlySpan<byte> bytes, int count)
    {
        ref State state = ref _states[link.Index];
        int messages = state.Counter.Feed(bytes); // pings are among them
        Answer(link, ref state.Counter);
        long now = Latencies.Now;
        for (int i = 0; i < messages; i++)
        {
            long number = (state.Received++ * Options.Connections) + link.Index;
            Messages++;
            if (IsMeasuring && number >= _firstMeasured)
            {
                Latencies.Add(Due(number), now);
            }
        }
    }

    public override void OnSent(Link link) => SendWaiting(link);

    protected override void Start() => _start = Latencies.Now;

    protected override TimeSpan OnTurn()
    {
        if (_isOver)
        {
            return TimeSpan.FromMilliseconds(10);
        }

        if (IsMeasuring && _firstMeasured == 0)
        {
            _firstMeasured = _next;
        }

        long now = Latencies.Now;
        for (; Due(_next) <= now; _next++)
        {
            Link link = Links[(int)(_next % Options.Connections)];
            _states[link.Index].Waiting++;
            SendWaiting(link);
        }

        return Stopwatch.GetElapsedTime(now, Due(_next));
    }

    // What was due in time counts, however late it comes.
    protected override void OnMeasured()
    {
        _isOver = true;
        RunUntil(After(Patience), () => Messages >= _next);
    }

    protected override void AddTo(LoadResult result)
    {
        base.AddTo(result);
        result.Add("rate", Options.Rate, 0).Add("missing", _next - Messages, 0);
    }

    private long Due(long number) => _start + (long)(number * _interval);

    private void SendWaiting(Link link)
    {
        ref State state = ref _states[link.Index];
        for (; state.Waiting > 0 && !link.IsBusy; state.Waiting--)
        {
            link.Send(_frame);
        }
    }

    private struct State
    {
        public long Received;
        public int Waiting;
        public FrameCounter Counter;
    }
}
