using Duologue.EngineIo;
using Duologue.Protocol;
using Microsoft.Extensions.Logging;

namespace Duologue.Client.Sessions;

/// <summary>A session over Engine.IO that the server has opened and that has not begun.</summary>
internal sealed class OpenedSession : OpenedConversation
{
    private readonly Uri _uri;
    private readonly ConnectOptions _options;
    private readonly ILogger _logger;
    private readonly OpenPacket _open;
    private readonly ClientPolling? _polling;
    private readonly ClientSocket? _socket;
    private ClientObserver? _observer;

    /// <summary>A session on polling.</summary>
    public OpenedSession(Uri uri, ConnectOptions options, ILogger logger, OpenPacket open, ClientPolling polling)
        : this(uri, options, logger, open) => _polling = polling;

    /// <summary>A session on a WebSocket.</summary>
    public OpenedSession(Uri uri, ConnectOptions options, ILogger logger, OpenPacket open, ClientSocket socket)
        : this(uri, options, logger, open) => _socket = socket;

    private OpenedSession(Uri uri, ConnectOptions options, ILogger logger, OpenPacket open)
    {
        _uri = uri;
        _options = options;
        _logger = logger;
        _open = open;
    }

    /// <summary>Engine.IO agrees on none.</summary>
    public override string? Subprotocol => null;

    public override string Extensions => "";

    /// <summary>Whether to change to a WebSocket once the conversation has begun.</summary>
    public bool Upgrades { get; init; }

    private SessionTransport Transport => (SessionTransport?)_polling ?? _socket!;

    public override WebSocketConnection Start(IMessageHandler? handler)
    {
        _observer = new ClientObserver(ClientMetrics.For(_options).Connections, _options.TimeProvider, Transport.Kind);
        var connection = new WebSocketConnection(new ConnectionSetup
        {
            Role = Role.Client,
            IsSession = true,

            // The session has its own keep-alive, which is the server's, and compresses nothing.
            Options = _options with { KeepAliveInterval = Timeout.InfiniteTimeSpan, Compression = Compression.Off },
            Observer = _observer,
            Logger = _logger,
            Handler = handler,
        });
        var carrier = new SessionCarrier(connection, Transport, _open.Interval, _open.Timeout);
        if (_polling is not null)
        {
            carrier.Start();
            _polling.Begin(carrier);
            if (Upgrades)
            {
                _ = UpgradeAsync(carrier, _polling);
            }
        }
        else
        {
            carrier.Start();
            if (!_socket!.TryCarry(carrier))
            {
                carrier.Lose();
            }
        }

        return connection;
    }

    public override void Abort()
    {
        _polling?.Stop();
        _socket?.Socket.Abort();
    }

    /// <summary>Tries a WebSocket out beside the polling, and changes to it if it gets through; otherwise all stays as it is.</summary>
    private async Task UpgradeAsync(SessionCarrier carrier, ClientPolling polling)
    {
        ClientSocket? socket = null;
        using var timeout = new CancellationTokenSource(_options.ConnectTimeout, _options.TimeProvider);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, polling.Stopped);
        try
        {
            socket = await SessionConnector.ConnectSocketAsync(_uri, _open.Sid, _options, stop.Token).ConfigureAwait(false);
            await socket.ProbeAsync(stop.Token).ConfigureAwait(false);

            // Requests that are under way end first: what they bring and take comes before what the WebSocket does.
            await polling.PauseAsync().WaitAsync(stop.Token).ConfigureAwait(false);
            if (!socket.TryCarry(carrier))
            {
                throw new IOException("The WebSocket ended before it could take over.");
            }
        }
#pragma warning disable CA1031 // What the application's own hooks throw is an attempt that failed, too: it is logged.
        catch (Exception error)
#pragma warning restore CA1031
        {
            socket?.Socket.Abort();
            polling.Resume();
            if (!polling.Stopped.IsCancellationRequested)
            {
                TransportMemory.Shared.Remember(_uri, polling.Kind, _options.TimeProvider);
                _logger.TransportKept(WebSocketUri.Display(_uri), polling.Kind, error.Message);
            }

            return;
        }

        Duologue.Transport before = polling.Kind;
        socket.Socket.Send("5"u8, MessageType.Text);
        bool hasSwitched = carrier.Switch(socket);
        polling.Stop();
        if (!hasSwitched)
        {
            // The session has ended meanwhile: nothing is known of the WebSocket, and nothing has changed.
            return;
        }

        _observer!.Move(Duologue.Transport.WebSocket);
        TransportMemory.Shared.Forget(_uri);
        _logger.TransportChanged(WebSocketUri.Display(_uri), before, Duologue.Transport.WebSocket);
    }
}
