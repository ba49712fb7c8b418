using System.IO.Pipelines;
using Duologue.Carriers;
using Duologue.Fuzz.Engine;
using Duologue.Fuzz.Wire;
using Duologue.Protocol;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Fuzz.Targets;

/// <summary>One conversation of a peer under test with a stream of bytes, from its start to its end.</summary>
internal sealed class PeerRun
{
    private const int SmallMessage = 64;
    private const int MaxTurns = 400;

    /// <summary>The clock of all runs: its wheel is made once.</summary>
    private static readonly FakeTimeProvider Clock = new();

    private readonly PeerFlags _flags;
    private readonly byte[] _steps;
    private readonly byte[] _stream;
    private readonly Pipe _in = new(Inline(0));
    private readonly CountingPipeReader _input;
    private readonly Pipe _out;
    private readonly List<byte> _written = [];
    private readonly PeerApplication _application;
    private readonly CountingObserver _observer = new();
    private readonly WebSocketConnection _connection;
    private Signature _signature = new();
    private bool _disturbed;

    public PeerRun(PeerFlags flags, byte[] steps, byte[] stream)
    {
        _flags = flags;
        _steps = steps;
        _stream = stream;
        _input = new CountingPipeReader(_in.Reader);
        _out = new Pipe(Inline(flags.HasFlag(PeerFlags.SlowPeer) ? 32 : 0));
        _application = new PeerApplication(flags);
        ConnectionOptions options = new() { TimeProvider = Clock };
        if (flags.HasFlag(PeerFlags.SmallLimits))
        {
            options = options with
            {
                MaxMessageSize = SmallMessage,
                MaxFragments = 4,
                MaxControlFramesPerSecond = 8,
                MaxSmallFragmentsPerSecond = 20,
                SendQueueLimit = 256,
                SendQueuePolicy = (SendQueuePolicy)(steps.Length & 3),
                SendTimeout = TimeSpan.FromSeconds(10),
                MessageTimeout = TimeSpan.FromSeconds(15),
            };
        }
        else
        {
            options = options with { MaxControlFramesPerSecond = 0, MaxSmallFragmentsPerSecond = 0 };
        }

        _connection = new WebSocketConnection(new ConnectionSetup
        {
            Role = flags.HasFlag(PeerFlags.Client) ? Role.Client : Role.Server,
            Options = options,
            Observer = _observer,
            Handler = flags.HasFlag(PeerFlags.Push) ? _application : null,
        });
    }

    public ulong Signature => _signature.Value;

    public async Task PlayAsync()
    {
        Task<CloseInfo> closed = _connection.Closed;
        Task running = RunAsync();
        Task receiving = _flags.HasFlag(PeerFlags.Push) ? Task.CompletedTask : _application.ReceiveAllAsync(_connection);
        await FeedAsync();
        await TakenAsync(running);
        if (_flags.HasFlag(PeerFlags.EndsStream))
        {
            await _in.Writer.CompleteAsync();
        }

        // Silence: keep-alive, close timeouts and lingering end every conversation.
        for (int turn = 0; turn < MaxTurns && !(running.IsCompleted && closed.IsCompleted); turn++)
        {
            _application.CompletePending();
            ReadOutput();
            Clock.Advance(TimeSpan.FromSeconds(1));
            if (turn > 60)
            {
                // What is left to do, pool threads do: give them the processor.
                await Task.Delay(1);
            }
        }

        await EndedAsync(closed, "the connection closes");
        await EndedAsync(running, "the carrier lets go");
        _application.Hurry();
        await EndedAsync(receiving, "the application learns of the end");
        await EndedAsync(_application.SendsAsync(), "sends complete");
        await EndedAsync(_application.Opens == 0 ? Task.CompletedTask : _application.Ended, "the handler learns of the end");
        ReadOutput();
        await _in.Writer.CompleteAsync();
        await _out.Reader.CompleteAsync();
        Check(await closed);
    }

    private async Task RunAsync()
    {
        await new PipeCarrier(_input, _out.Writer, _connection, null).RunAsync();
        await _input.CompleteAsync();
    }

    /// <summary>
    /// The pump goes on on a pool thread when it has had its share. Where all of the stream will be taken, that is waited for: the silence that
    /// follows is the peer's, and must not come before its last words.
    /// </summary>
    private async Task TakenAsync(Task running)
    {
        long end = Environment.TickCount64 + 10_000;
        while (IsQuiet && _input.Taken < _stream.Length && !running.IsCompleted && Environment.TickCount64 < end)
        {
            await Task.Delay(1);
        }
    }

    private async Task FeedAsync()
    {
        int at = 0;
        for (int i = 0; at < _stream.Length || i < _steps.Length; i++)
        {
            byte step = i < _steps.Length ? _steps[i] : (byte)0x0F;
            int count = Math.Min(Cuts.SizeOf(step), _stream.Length - at);
            if (count > 0)
            {
                await _in.Writer.WriteAsync(_stream.AsMemory(at, count));
                at += count;
            }

            Happen(step >> 4);
            if (!_flags.HasFlag(PeerFlags.SlowPeer))
            {
                ReadOutput();
            }
        }
    }

    private void Happen(int what)
    {
        switch (what)
        {
            case 6:
                _application.CompletePending();
                break;
            case 7:
                _connection.Send("said unasked");
                break;
            case 8:
                _application.Track(_connection.PingAsync(CancellationToken.None).AsTask());
                break;
            case 9:
                Clock.Advance(TimeSpan.FromMilliseconds(100));
                break;
            case 10:
                _disturbed = true;
                Clock.Advance(TimeSpan.FromSeconds(3));
                break;
            case 11:
                ReadOutput();
                break;
            case 12:
                _disturbed = true;
                _application.Track(_connection.CloseAsync(3000, "enough").AsTask());
                break;
            case 13:
                _disturbed = true;
                _connection.Abort();
                break;
            case 14:
                using (var cancel = new CancellationTokenSource())
                {
                    _application.Track(_connection.SendAsync(new byte[700], MessageType.Binary, cancel.Token).AsTask());
                    cancel.Cancel();
                }

                break;
            case 15:
                _application.Track(_connection.SendAsync(new byte[1000], MessageType.Binary, CancellationToken.None).AsTask());
                break;
        }
    }

    private void ReadOutput()
    {
        while (_out.Reader.TryRead(out ReadResult result))
        {
            foreach (ReadOnlyMemory<byte> segment in result.Buffer)
            {
                _written.AddRange(segment.Span);
            }

            bool more = !result.Buffer.IsEmpty && !result.IsCompleted;
            _out.Reader.AdvanceTo(result.Buffer.End);
            if (!more)
            {
                return;
            }
        }
    }

    /// <summary>Whether nothing but the stream decides what happens.</summary>
    private bool IsQuiet => IsQuietButForLimits && !_flags.HasFlag(PeerFlags.SmallLimits);

    // A handler at work holds the Close back, and the end of the stream may come first.
    private bool IsQuietButForLimits => !_disturbed
        && (_flags & (PeerFlags.ClosesEarly | PeerFlags.SlowPeer | PeerFlags.Pends)) == PeerFlags.None;

    private async Task EndedAsync(Task task, string rule)
    {
        Task first = await Task.WhenAny(task, Task.Delay(TimeSpan.FromSeconds(10)));
        InvariantException.Require(first == task, rule, () => $"it does not; flags {_flags}, {(_connection.Closed.IsCompletedSuccessfully ? _connection.Closed.Result : "open")}");
        await task;
    }

    private void Check(CloseInfo info)
    {
        InvariantException.Require(_observer.Ends == 1 && ReferenceEquals(_observer.Info, info), "one CloseInfo", () => $"{_observer.Ends}");
        InvariantException.Require(
            !_flags.HasFlag(PeerFlags.Push) || (_application.Opens == _application.Ends && _application.Ends <= 1),
            "the handler is told of the opening and of the end once",
            () => $"{_application.Opens}, {_application.Ends}");
        InvariantException.Require(!_application.Overlapped, "calls never overlap", () => "they did");
        CheckReceived(info);
        CheckWritten(info);
        _signature.Add((int)info.Cause);
        _signature.Add(info.Code / 1000);
        _signature.Add((int?)info.Violation ?? -1);
        _signature.AddCount(_application.Received.Count);
        _signature.AddCount(_written.Count);
        _signature.Add((int)_flags);
    }

    /// <summary>What the application got is what the stream says, from its beginning, in order.</summary>
    private void CheckReceived(CloseInfo info)
    {
        bool small = _flags.HasFlag(PeerFlags.SmallLimits);

        // Who reads piecewise has no limit on the whole.
        bool piecewise = _flags.HasFlag(PeerFlags.Pends) && !_flags.HasFlag(PeerFlags.Push);
        StreamLimits limits = piecewise ? StreamLimits.None : small ? new StreamLimits(SmallMessage, 4) : new StreamLimits(1 << 20, 4096);
        List<StreamEvent> events = StreamModel.Read(_stream, !_flags.HasFlag(PeerFlags.Client), limits, out _);
        List<string> expected = [.. events.Where(e => e.Opcode is Frame.Text or Frame.Binary).Select(PeerApplication.Describe)];
        List<string> received = _application.Received;
        while (received is [.., PeerApplication.Skipped])
        {
            // Whether the stream has the whole of it, nobody waited to see.
            received.RemoveAt(received.Count - 1);
        }

        InvariantException.Require(
            IsPrefix(received, _observer.Unreceived == 0 ? expected : Narrow(expected, received)),
            "messages are the stream's, in order",
            () => $"{string.Join(" | ", received)} -- of -- {string.Join(" | ", expected)}");
        if (!IsQuiet)
        {
            return;
        }

        InvariantException.Require(received.Count == expected.Count, "no message is lost", () => $"{received.Count} of {expected.Count}, {info}");
        StreamEvent? last = events.LastOrDefault();
        if (last?.Violation is { } violation)
        {
            InvariantException.Require(info.Violation?.ToString() == violation, "the violation is the model's", () => $"{info}, not {violation}");
        }
        else if (last?.Opcode == Frame.Close)
        {
            int code = last.Data.Length == 0 ? 1005 : (last.Data[0] << 8) | last.Data[1];
            InvariantException.Require(info.Code == code && info.WasClean && info.ByPeer, "the peer's close is told", () => $"{info}, not {code}");
        }
        else
        {
            InvariantException.Require(!info.WasClean && !info.ByPeer, "without a Close nothing was clean", () => info.ToString());
        }
    }

    private static bool IsPrefix(List<string> received, List<string> expected) =>
        received.Count <= expected.Count && received.Zip(expected).All(pair => pair.First == pair.Second || pair.First == PeerApplication.Skipped);

    /// <summary>Without those that were dropped: while we close, what nobody takes is dropped and counted.</summary>
    private static List<string> Narrow(List<string> expected, List<string> received)
    {
        var narrowed = new List<string>();
        foreach (string message in expected)
        {
            if (narrowed.Count < received.Count && (received[narrowed.Count] == message || received[narrowed.Count] == PeerApplication.Skipped))
            {
                narrowed.Add(message);
            }
        }

        return narrowed;
    }

    /// <summary>What was written is a stream that the strictest peer takes.</summary>
    private void CheckWritten(CloseInfo info)
    {
        byte[] written = [.. _written];
        List<StreamEvent> events = StreamModel.Read(written, _flags.HasFlag(PeerFlags.Client), StreamLimits.None, out bool complete);
        InvariantException.Require(events.All(e => e.Violation is null), "what is written is valid", () => $"{events[^1].Violation} in {Convert.ToHexString(written)}");
        InvariantException.Require(complete, "what is written ends with a frame", () => Convert.ToHexString(written));
        StreamEvent? close = events.FirstOrDefault(e => e.Opcode == Frame.Close);
        InvariantException.Require(close is null || written.AsSpan().EndsWith(Tail(close)), "nothing is written after a Close", () => Convert.ToHexString(written));
        InvariantException.Require(!info.WasClean || close is not null, "a clean end has a Close", () => info.ToString());
        if (info.Violation is not null && IsQuietButForLimits)
        {
            int code = Violations.CloseCode(info.Violation.Value);
            InvariantException.Require(close is not null && ((close.Data[0] << 8) | close.Data[1]) == code, "a violation is answered with its code", () => $"{info.Violation}: {(close is null ? "nothing" : Convert.ToHexString(close.Data))}");
        }

        bool sendsUnasked = _steps.Any(step => step >> 4 is 7 or 14 or 15);
        if (_flags.HasFlag(PeerFlags.Echoes) && IsQuiet && !sendsUnasked)
        {
            List<string> sent = [.. events.Where(e => e.Opcode is Frame.Text or Frame.Binary).Select(PeerApplication.Describe)];
            InvariantException.Require(sent.SequenceEqual(_application.Received), "answers leave before the Close", () => $"{string.Join(" | ", sent)} -- to -- {string.Join(" | ", _application.Received)}");
        }
    }

    // The frame of a Close: at most 125 bytes of payload, masked by a client.
    private byte[] Tail(StreamEvent close)
    {
        int size = 2 + (_flags.HasFlag(PeerFlags.Client) ? 4 : 0) + close.Data.Length;
        byte[] tail = [.. _written.TakeLast(size)];
        return (tail[0] & 0x0F) == Frame.Close ? tail : [0xFF, .. tail];
    }

    private static PipeOptions Inline(int pause) => new(
        readerScheduler: PipeScheduler.Inline,
        writerScheduler: PipeScheduler.Inline,
        pauseWriterThreshold: pause,
        resumeWriterThreshold: pause == 0 ? -1 : 1,
        useSynchronizationContext: false);

    private sealed class CountingObserver : ConnectionObserver
    {
        private int _ends;

        public int Ends => _ends;

        public CloseInfo? Info { get; private set; }

        /// <summary>Messages that arrived and that nobody got.</summary>
        public int Unreceived { get; private set; }

        public override void MessagesDropped(WebSocketConnection connection, DropReason reason, int count) =>
            Unreceived += reason == DropReason.Unreceived ? count : 0;

        public override void Closed(WebSocketConnection connection, CloseInfo info)
        {
            Info = info;
            Interlocked.Increment(ref _ends);
        }
    }
}
