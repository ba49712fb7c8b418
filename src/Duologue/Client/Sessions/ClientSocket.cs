using Duologue.EngineIo;
using Duologue.Protocol.Handshake;

namespace Duologue.Client.Sessions;

/// <summary>
/// A session's WebSocket, from the client's side. It opens the session, or it is tried out beside polling and then takes over.
/// </summary>
/// <param name="longestSilence">The most that the server's times may come to, where it opens the session.</param>
internal sealed class ClientSocket(TimeSpan longestSilence) : SocketLink(wantsBase64: false)
{
    private readonly TaskCompletionSource<OpenPacket> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private bool _carries;
    private bool _isOver;
    private SessionCarrier? _carrier;

    protected override SessionCarrier Carrier => _carrier!;

    protected override bool Carries
    {
        get
        {
            lock (_lock)
            {
                return _carries;
            }
        }
    }

    /// <summary>The server's first packet, where the WebSocket opens the session.</summary>
    /// <exception cref="IOException">It sent another, or ended.</exception>
    public Task<OpenPacket> Opened => _opened.Task;

    /// <summary>Whether the WebSocket gets through: the server has answered.</summary>
    /// <exception cref="IOException">It has refused, or ended.</exception>
    public async Task ProbeAsync(CancellationToken cancellationToken)
    {
        Socket.Send("2probe"u8, MessageType.Text);
        await _answered.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>From now on it carries the session; false if it has ended before.</summary>
    public bool TryCarry(SessionCarrier carrier)
    {
        lock (_lock)
        {
            if (_isOver)
            {
                return false;
            }

            _carrier = carrier;
            _carries = true;
        }

        _begun.TrySetResult();
        return true;
    }

    public override ValueTask OnOpenAsync(Connection connection) => default;

    protected override PacketKind Bring(ReadOnlySpan<byte> packet) => PacketReader.BringToClient(packet, Carrier);

    protected override ValueTask OnEarlyMessage(Message message)
    {
        ReadOnlySpan<byte> packet = message.Data.Span;
        if (message.Type == MessageType.Text && packet.SequenceEqual("3probe"u8))
        {
            _answered.TrySetResult();
            return default;
        }

        if (_opened.Task.IsCompleted)
        {
            // Behind the packet that opens the session, which is about to begin.
            return AwaitBeginAsync(message);
        }

        if (OpenPacket.TryRead(message.Type == MessageType.Text ? packet : [], longestSilence, out OpenPacket? open, out string? flaw))
        {
            _opened.TrySetResult(open);
            return default;
        }

        Fail($"The server's first packet cannot be used. {flaw}");
        Socket.BeginClose(1002, "The packet opens no session.", CloseCause.LocalClose);
        return default;
    }

    protected override void OnEarlyEnd(CloseInfo info)
    {
        lock (_lock)
        {
            _isOver = true;
        }

        Fail(info.Reason.Length == 0 ? $"The WebSocket of the session ended with {info.Code}." : $"The WebSocket of the session ended with {info.Code}, {PeerText.Quote(info.Reason)}.");
        _begun.TrySetResult();
    }

    private async ValueTask AwaitBeginAsync(Message message)
    {
        await _begun.Task.ConfigureAwait(false);
        if (Carries)
        {
            await OnMessageAsync(Socket, message).ConfigureAwait(false);
        }
    }

    private void Fail(string sentence)
    {
        var error = new IOException(sentence);
        if (_opened.TrySetException(error))
        {
            _ = _opened.Task.Exception;
        }

        if (_answered.TrySetException(error))
        {
            _ = _answered.Task.Exception;
        }
    }
}
