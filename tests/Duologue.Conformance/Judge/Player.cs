using System.Diagnostics;
using System.Globalization;
using Duologue.Conformance.Cases;
using Duologue.Conformance.Deflate;

namespace Duologue.Conformance.Judge;

/// <summary>Plays one case on one wire as the hostile peer, and judges what came back.</summary>
internal sealed class Player
{
    /// <summary>How long anything may take. Only a broken peer reaches it; the strict run moves megabytes in chops of 64 bytes.</summary>
    public static readonly TimeSpan Patience = Settings.Strict ? TimeSpan.FromMinutes(4) : TimeSpan.FromSeconds(45);

    private static readonly byte[] Junk = "This must never come back."u8.ToArray();

    private readonly Case _case;
    private readonly Wire _wire;
    private readonly bool _asClient;
    private readonly Random _random;
    private readonly Transcript _transcript = new();
    private readonly FrameDecoder _decoder;
    private readonly DeflateTerms? _terms;
    private readonly CancellationToken _patience;
    private ulong _missing;
    private bool _ended;
    private long _actedAt;

    private Player(Case @case, Wire wire, bool judgesServer, DeflateTerms? terms, CancellationToken patience)
    {
        _case = @case;
        _wire = wire;
        _asClient = judgesServer;
        _terms = terms;
        _patience = patience;
        _random = new Random(@case.Id.Aggregate(17, (seed, c) => (seed * 31) + c)); // the same bytes in every run
        _decoder = new FrameDecoder(fromClient: !judgesServer, mayCompress: terms is not null, _transcript);
    }

    /// <returns>
    /// Null if the judged peer did all that the case demands; else what it did wrong, and whether we were so slow ourselves that it may
    /// have given us up: then it must be played again.
    /// </returns>
    public static async Task<(string? Complaint, bool WasSlow)> PlayAsync(Case @case, Wire wire, bool judgesServer, CancellationToken cancellationToken)
    {
        @case = @case.Later?.Invoke(@case) ?? @case;
        DeflateTerms? terms = null;
        if (@case.Extensions is not null)
        {
            bool declined = judgesServer && wire.Extensions is null;
            if (@case.MustDecline && !declined)
            {
                return ($"the answer is \"{wire.Extensions}\", expected none", false);
            }

            if (declined && @case.MayDecline)
            {
                // Nothing is compressed then; a case that is about compression is over.
                if (@case.Compressed is not null)
                {
                    return (null, false);
                }
            }
            else if (DeflateTerms.Settle(@case.Extensions, wire.Extensions, judgesServer, out terms) is { } disagreement)
            {
                return (disagreement, false);
            }
            else
            {
                @case = @case.Compressed?.Invoke(@case, terms!) ?? @case;
            }
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        var player = new Player(@case, wire, judgesServer, terms, patience.Token);
        Task reading = player.ReadAsync();
        string? trouble = null;
        try
        {
            await player.ActAsync();
        }
        catch (IOException e)
        {
            // Writing to a peer that has ended; whether it might end there, the judgement says.
            trouble = e.Message;
        }
        catch (OperationCanceledException)
        {
            trouble = "out of time";
        }

        if (!await player._transcript.WaitAsync(t => t.Ending is not null, patience.Token) && player._transcript.Fault is null)
        {
            trouble = "the connection did not end";
        }

        string? complaint = player.Judge() ?? (trouble == "out of time" || trouble == "the connection did not end" ? trouble : null);
        string said = player._transcript.ToString();
        await patience.CancelAsync();
        await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return complaint is null ? (null, false) : ($"{complaint} [{said}{(trouble is null ? "" : "; " + trouble)}]", player.WasSlow);
    }

    // A judged peer lingers for two seconds, a client for one second after a clean close; on a busy machine we may be later than that.
    // And Kestrel ends a whole HTTP/2 connection when a neighbour's stream gets bytes long after its end: that neighbour was slow, too.
    private bool WasSlow =>
        (_transcript.ClosedAt is var closedAt and not 0 && Stopwatch.GetElapsedTime(closedAt, _actedAt) > TimeSpan.FromSeconds(0.8))
        || _transcript.Ending?.How.StartsWith("The HTTP/2 server closed the connection", StringComparison.Ordinal) == true;

    private async Task ReadAsync()
    {
        byte[] buffer = new byte[16 * 1024];
        while (true)
        {
            int count = await _wire.ReadAsync(buffer, _patience);
            if (count == 0)
            {
                _transcript.End(_wire.Ending!);
                return;
            }

            _decoder.Take(buffer.AsSpan(0, count));
        }
    }

    private async Task ActAsync()
    {
        foreach (Step step in _case.Steps)
        {
            switch (step)
            {
                case SendStep send:
                    await SendAsync(send);
                    break;
                case AwaitStep until:
                    await _transcript.WaitAsync(t => t.MessageCount >= until.Messages && t.PongCount >= until.Pongs && (!until.Close || t.Close is not null), _patience);
                    break;
                case EndStep:
                    await EndAsync();
                    break;
                default:
                    throw new InvalidOperationException($"No such step: {step}.");
            }
        }

        if (_case.ClosesItself)
        {
            await FollowAsync();
        }
        else
        {
            await _transcript.WaitAsync(t => t.MessageCount >= _case.Echoes.Count && PongsAreIn(t), _patience);
            await WriteAsync(Frame.Close(1000));
            await _transcript.WaitAsync(t => t.Close is not null, _patience);
        }

        // RFC 6455 §7.1.1: it is the server that ends TCP first.
        if (!_asClient && _case.Tail is not (Tail.Silent or Tail.MoreSilent or Tail.Flood))
        {
            await EndAsync();
        }

        _actedAt = Stopwatch.GetTimestamp();
    }

    // What comes behind a violation.
    private async Task FollowAsync()
    {
        bool sentClose = _case.Steps.OfType<SendStep>().Any(step => step.Frames.Any(frame => frame.Opcode == 8));
        if (_case.Tail is Tail.More or Tail.MoreSilent)
        {
            await WriteAsync([.. Enumerable.Repeat(Frame.Text(Junk), 2500)]);
            if (_case.Tail == Tail.More)
            {
                await WriteAsync(Frame.Close(1000));
            }
        }

        if (_case.Tail == Tail.Flood)
        {
            await FloodAsync();
        }

        await _transcript.WaitAsync(t => t.Close is not null, _patience);
        if (sentClose || _ended || _transcript.Close is null)
        {
            return;
        }

        switch (_case.Tail)
        {
            case Tail.Answer when _missing <= 1024 * 1024:
                await WriteRawAsync(new byte[_missing], Cut.None);
                await WriteAsync(Frame.Close(_transcript.Close.Value.Code is 1005 ? 1000 : _transcript.Close.Value.Code));
                break;
            case Tail.Answer or Tail.End when _asClient:
                await EndAsync();
                break;
            default:
                break;
        }
    }

    private async Task FloodAsync()
    {
        Frame[] flood = [.. Enumerable.Repeat(Frame.Text(Junk), 500)];
        Task ended = _transcript.WaitAsync(t => t.Ending is not null, _patience);
        while (!ended.IsCompleted)
        {
            // Over HTTP/2 a write may wait for room that an ended stream never gives.
            Task writing = WriteAsync(flood);
            if (await Task.WhenAny(writing, ended) == writing)
            {
                await writing;
            }
            else
            {
                _ = writing.ContinueWith(static task => task.Exception, TaskScheduler.Default);
            }
        }
    }

    private async Task EndAsync()
    {
        if (_wire.CanEnd && !_ended)
        {
            _ended = true;
            await _wire.EndAsync(_patience);
        }
    }

    private Task WriteAsync(params Frame[] frames) => SendAsync(new SendStep(frames, Cut.None));

    private async Task SendAsync(SendStep step)
    {
        if (step.Cut.PerFrame)
        {
            foreach (Frame frame in step.Frames)
            {
                _missing = frame.Missing;
                await WriteRawAsync(frame.Encode(_asClient, _random), Cut.None);
            }

            return;
        }

        if (step.Frames.Count == 1)
        {
            _missing = step.Frames[0].Missing;
            await WriteRawAsync(step.Frames[0].Encode(_asClient, _random), step.Cut);
            return;
        }

        using var all = new MemoryStream();
        foreach (Frame frame in step.Frames)
        {
            _missing = frame.Missing;
            all.Write(frame.Encode(_asClient, _random));
        }

        await WriteRawAsync(all.GetBuffer().AsMemory(0, (int)all.Length), step.Cut);
    }

    private async Task WriteRawAsync(ReadOnlyMemory<byte> bytes, Cut cut)
    {
        int at = 0;
        foreach (int position in cut.At)
        {
            if (position > at && position < bytes.Length)
            {
                await _wire.WriteAsync(bytes[at..position], _patience);
                at = position;

                // So that the peer has a chance to see the pieces apart; its order of events must not depend on it.
                await Task.Yield();
            }
        }

        // Once the violation is answered the cuts tell nothing more, and cost more time than the judged peer lingers.
        while (cut.Every > 0 && bytes.Length - at > cut.Every && _transcript.ClosedAt == 0)
        {
            await _wire.WriteAsync(bytes.Slice(at, cut.Every), _patience);
            at += cut.Every;
            await Task.Yield();
        }

        if (at < bytes.Length)
        {
            await _wire.WriteAsync(bytes[at..], _patience);
        }
    }

    private string? Judge()
    {
        if (_transcript.Fault is { } fault)
        {
            return fault;
        }

        if (MayBeLost)
        {
            return _transcript.Close is null ? JudgeMessages() : JudgeMessages() ?? JudgeClose();
        }

        return JudgeMessages() ?? JudgePongs() ?? JudgeClose() ?? JudgeEnd() ?? JudgeMasks();
    }

    // Stock Kestrel ends a connection of HTTP/1.1 as a whole when the client ends its direction; all others must answer to the end.
    private bool MayBeLost => _case.IsHalfClosed && _asClient && !_wire.IsStream;

    private string? JudgeMessages()
    {
        Inflater? inflater = _terms?.CreateInflater();
        for (int i = 0; i < Math.Min(_case.Echoes.Count, _transcript.Messages.Count); i++)
        {
            Frame expected = _case.Echoes[i];
            Received received = _transcript.Messages[i];
            byte[] bytes = received.Bytes;
            if (received.Compressed)
            {
                if (inflater!.TryInflate(bytes, out byte[]? inflated) is { } broken)
                {
                    return string.Create(CultureInfo.InvariantCulture, $"message {i + 1}: {broken}");
                }

                bytes = inflated!;
                if (_terms!.InboundNoTakeover)
                {
                    inflater.Reset();
                }
            }

            if (received.IsText != (expected.Opcode == 1) || !bytes.AsSpan().SequenceEqual(expected.Payload))
            {
                return string.Create(CultureInfo.InvariantCulture, $"message {i + 1} is {new Frame(received.IsText ? 1 : 2, bytes)}, expected {expected}");
            }
        }

        if (_case.MustCompress && !_transcript.Messages.Any(message => message.Compressed))
        {
            return "no message came compressed";
        }

        if (_transcript.Messages.Count != _case.Echoes.Count && !(MayBeLost && _transcript.Messages.Count < _case.Echoes.Count))
        {
            return string.Create(CultureInfo.InvariantCulture, $"{_transcript.Messages.Count} messages came back, expected {_case.Echoes.Count}");
        }

        return _case.PongsLead && _transcript.PongsBefore is [var before, ..] && before < _transcript.Pongs.Count ? "a pong came after the message" : null;
    }

    // RFC 6455 §5.5.3: of several pings that wait, only the latest need be answered. A few that arrive at once are all answered.
    private bool PongsMayMerge => _case.Pongs.Count > 10
        || (_case.Pongs.Count > 1 && !_case.Steps.OfType<AwaitStep>().Any() && _case.Steps.OfType<SendStep>().Any(step => step.Cut != Cut.None));

    private bool PongsAreIn(Transcript transcript) => PongsMayMerge
        ? transcript.Pongs.Count > 0 && transcript.Pongs[^1].AsSpan().SequenceEqual(_case.Pongs[^1])
        : transcript.PongCount >= _case.Pongs.Count;

    private string? JudgePongs()
    {
        if (PongsMayMerge)
        {
            // RFC 6455 §5.5.3: only the most recent ping may be answered; in order, then, and the last of them.
            int at = 0;
            foreach (byte[] pong in _transcript.Pongs)
            {
                while (at < _case.Pongs.Count && !pong.AsSpan().SequenceEqual(_case.Pongs[at]))
                {
                    at++;
                }

                if (at++ == _case.Pongs.Count)
                {
                    return $"the pong {Convert.ToHexString(pong)} answers no ping";
                }
            }

            return PongsAreIn(_transcript) ? null : "the last ping was not answered";
        }

        for (int i = 0; i < Math.Min(_case.Pongs.Count, _transcript.Pongs.Count); i++)
        {
            if (!_transcript.Pongs[i].AsSpan().SequenceEqual(_case.Pongs[i]))
            {
                return $"pong {Convert.ToHexString(_transcript.Pongs[i])}, expected {Convert.ToHexString(_case.Pongs[i])}";
            }
        }

        return _transcript.Pongs.Count == _case.Pongs.Count ? null
            : string.Create(CultureInfo.InvariantCulture, $"{_transcript.Pongs.Count} pongs, expected {_case.Pongs.Count}");
    }

    private string? JudgeClose()
    {
        if (_case.NoClose)
        {
            return _transcript.Close is null ? null : "a Close came, expected none";
        }

        if (_transcript.Close is not { } close)
        {
            return "no Close came";
        }

        if (_case.Code != Case.AnyCode && close.Code != _case.Code && close.Code != _case.OtherCode)
        {
            return string.Create(CultureInfo.InvariantCulture, $"Close {close.Code} \"{close.Reason}\", expected {_case.Code}");
        }

        return _case.Reason is { } reason && close.Reason != reason ? $"the reason \"{close.Reason}\", expected \"{reason}\"" : null;
    }

    private string? JudgeEnd()
    {
        if (_case.AnyEnd || _case.Tail == Tail.Flood)
        {
            return null;
        }

        if (!_decoder.AtBoundary)
        {
            return "the bytes ended inside a frame";
        }

        return _transcript.Ending!.Kind switch
        {
            EndKind.Clean => null,

            // Kestrel, told by our FIN that the client is gone, ends TCP at once: close_notify may be too late for it.
            EndKind.WithoutNotify when _asClient && _ended => null,

            // The platform's HTTP/2 client has no way to say END_STREAM by itself: a stream that its server never ends it can only cancel.
            EndKind.Reset when !_asClient && !_ended && _wire.IsStream => null,
            _ => $"the end was no clean one: {_transcript.Ending.How}",
        };
    }

    // RFC 6455 §5.3: a fresh key for every frame, not to be predicted.
    private string? JudgeMasks() => _transcript.MaskKeys is { Count: > 3 } keys && keys.Distinct().Count() < keys.Count - 1 ? "mask keys repeat (§5.3)" : null;
}
