namespace Duologue.LoadGenerator;

/// <summary>
/// Sends a burst of messages, waits until its echo is whole, and again: one message is a closed loop, more are pipelined. The echo's bytes are
/// counted and thrown away by the kernel; every 1,024th is compared. In a load so long that servers ping, bytes no longer tell what the echo is:
/// from then on its frames are read.
/// </summary>
internal sealed class EchoLoad : Load
{
    private const int CompareEvery = 1024;

    private readonly byte[][] _bursts;
    private readonly byte[] _echo;
    private readonly State[] _states;
    private readonly long _pingsFrom;

    public EchoLoad(LoadOptions options)
        : base(options)
    {
        if (options.Offer is null)
        {
            byte first = options.Text ? Frames.Text : Frames.Binary;
            byte[] payload = Frames.Payload(options.Payload, options.Text);
            _bursts = [Frames.Repeat(Frames.FromClient(first, payload), options.Depth)];
            _echo = Frames.Repeat(Frames.FromServer(first, payload), options.Depth);
        }
        else
        {
            _bursts = [.. CompressedMessages.Make(options.Payload).Select(frame => Frames.Repeat(frame, options.Depth))];
            _echo = [];
        }

        _states = new State[options.Connections];

        // A compressed echo has a length that only its frames tell.
        _pingsFrom = options.Offer is null ? After(options.PingsFrom) : 0;
    }

    protected override string Name => Options.Depth == 1 ? "echo" : "pipelined";

    public override bool Looks(Link link) => _states[link.Index] is { IsCounted: true } or { IsCompared: true };

    public override void OnReceived(Link link, ReadOnlySpan<byte> bytes, int count)
    {
        ref State state = ref _states[link.Index];
        if (state.IsCounted)
        {
            state.Left -= state.Counter.Feed(bytes);
            if (state.Left <= 0 && Options.Offer is not null && state.Counter.LastFirst != CompressedMessages.First)
            {
                throw new LoadException("The echo is not compressed.");
            }
        }
        else
        {
            if (state.IsCompared && !bytes.IsEmpty && (count > state.Left || !bytes.SequenceEqual(_echo.AsSpan(_echo.Length - state.Left, count))))
            {
                throw new LoadException("The echo differs from what was sent; a server that fragments cannot be measured so.");
            }

            state.Left -= count;
        }

        if (state.Left > 0)
        {
            return;
        }

        if (state.Left < 0)
        {
            throw new LoadException("More came back than was sent.");
        }

        Messages += Options.Depth;
        if (IsMeasuring)
        {
            Latencies.Add(state.Start, Latencies.Now);
        }

        // All that was sent has come back, so that there is room for it.
        Answer(link, ref state.Counter);
        Send(link, ref state);
    }

    protected override void Start()
    {
        foreach (Link link in Links)
        {
            Send(link, ref _states[link.Index]);
        }
    }

    private void Send(Link link, ref State state)
    {
        int number = state.Sent++;
        state.Start = Latencies.Now;
        state.IsCounted = state.Start >= _pingsFrom;
        state.Left = state.IsCounted ? Options.Depth : _echo.Length;
        state.IsCompared = number % CompareEvery == 0;
        link.Send(_bursts[(uint)(number + link.Index) % (uint)_bursts.Length]);
    }

    private struct State
    {
        public long Start;
        public int Sent;

        /// <summary>Bytes to come, or messages where those are counted.</summary>
        public int Left;

        public bool IsCounted;
        public bool IsCompared;
        public FrameCounter Counter;
    }
}
