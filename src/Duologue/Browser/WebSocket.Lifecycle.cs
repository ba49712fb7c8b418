using System.Diagnostics.CodeAnalysis;
using Duologue.Client;
using Duologue.Protocol;

namespace Duologue.Browser;

// The way from connecting to closed. All states change here.
[SuppressMessage("Design", "CA1001", Justification = "The cancellation source has neither a timer nor a wait handle: there is nothing to dispose.")]
public sealed partial class WebSocket
{
    private readonly Lock _gate = new();

    private readonly CancellationTokenSource _givenUp = new();

    // Written under the lock, read anywhere.
    private volatile ReadyState _state = ReadyState.Connecting;
    private WebSocketConnection? _connection;
    private bool _isFinishing;

    /// <summary>Why this side gave the connection up; null if it did not.</summary>
    private Exception? _failure;

    private void BeginConnecting(IReadOnlyList<string> protocols) =>
        ThreadPool.UnsafeQueueUserWorkItem(
            static start => _ = start.Self.ConnectAsync(start.Protocols),
            (Self: this, Protocols: protocols),
            preferLocal: false);

    private async Task ConnectAsync(IReadOnlyList<string> protocols)
    {
        try
        {
            OpenedConversation opened = await OpenAsync(protocols).ConfigureAwait(false);
            Begin(opened);
        }
#pragma warning disable CA1031 // DNS, refusal, TLS, a bad answer, a bad option: none may throw by the standard; all are reported.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Finish(error, CloseFrame.Abnormal, "", wasClean: false);
        }
    }

    private async Task<OpenedConversation> OpenAsync(IReadOnlyList<string> protocols)
    {
        int port = _url.EffectivePort;
        if (BlockedPorts.Contains(port))
        {
            ClientMetrics.For(_options.Connection).Failed(ConnectFailure.BlockedPort);
            throw new HandshakeException($"Port {port} belongs to another protocol, and browsers block it (WHATWG Fetch, bad ports).", null) { Failure = ConnectFailure.BlockedPort };
        }

        Uri uri = _url.ToUri()
            ?? throw new HandshakeException($"The host '{_url.Host}' cannot be the name of a computer.", null);
        ConnectOptions options = _options.Connection with { Subprotocols = protocols };
        if (_url.BasicCredentials is string credentials)
        {
            options = WithAuthorization(options, credentials);
        }

        using IDisposable turn = await HandshakeGate.EnterAsync(_url.Host, port, _givenUp.Token).ConfigureAwait(false);
        OpenedConversation opened = await ConversationConnector.OpenAsync(uri, options, _givenUp.Token).ConfigureAwait(false);

        // WHATWG WebSockets §3.1: RFC 6455 lets a server agree to none of them, a browser does not.
        if (protocols.Count > 0 && string.IsNullOrEmpty(opened.Subprotocol))
        {
            opened.Abort();
            ClientMetrics.For(options).Failed(ConnectFailure.Subprotocol);
            throw new HandshakeException($"The server agreed to none of the subprotocols asked for: {string.Join(", ", protocols)}.", null) { Failure = ConnectFailure.Subprotocol };
        }

        return opened;
    }

    // What the options say outright goes before what the URL says.
    private static ConnectOptions WithAuthorization(ConnectOptions options, string credentials) =>
        options.Headers.Any(static h => h.Key.Equals("Authorization", StringComparison.OrdinalIgnoreCase))
            ? options
            : options with { Headers = [.. options.Headers, new KeyValuePair<string, string>("Authorization", credentials)] };

    private void Begin(OpenedConversation opened)
    {
        lock (_gate)
        {
            if (_isFinishing)
            {
                opened.Abort();
                return;
            }
        }

        // Posted before the first byte is read, so that open comes before whatever the server sent along with its answer.
        _tasks.Post(() => OnOpened(opened.Subprotocol ?? "", opened.Extensions), EventTypes.Open);
        WebSocketConnection connection = opened.Start(new Receiver(this));
        bool givenUp;
        lock (_gate)
        {
            _connection = connection;
            givenUp = _isFinishing || _failure is not null;
        }

        if (givenUp)
        {
            // Close was called meanwhile. An end by the peer makes this a second, idle call.
            connection.Abort();
            return;
        }

        _outgoing.Start(connection);
    }

    private void OnOpened(string protocol, string extensions)
    {
        lock (_gate)
        {
            if (_state != ReadyState.Connecting)
            {
                return;
            }

            Extensions = extensions;
            Protocol = protocol;
            _state = ReadyState.Open;
        }

        Fire(new Event(EventTypes.Open, this));
    }

    /// <summary>WHATWG WebSockets §3.1, the method close.</summary>
    private void BeginClosing(ushort? code, string reason)
    {
        ReadyState before;
        lock (_gate)
        {
            before = _state;
            if (before is ReadyState.Connecting or ReadyState.Open)
            {
                _state = ReadyState.Closing;
            }
        }

        if (before == ReadyState.Connecting)
        {
            GiveUp();
        }
        else if (before == ReadyState.Open)
        {
            _outgoing.Close(code ?? CloseFrame.NoStatus, reason);
        }
    }

    /// <summary>Closed before it was open: the events do not wait for the handshake.</summary>
    private void GiveUp()
    {
        Finish(new OperationCanceledException("The WebSocket was closed before the connection was established."), CloseFrame.Abnormal, "", wasClean: false);

        // Elsewhere: what the cancellation sets off is not for the thread that closes.
        _ = _givenUp.CancelAsync();
        AbortConnection();
    }

    /// <summary>Ends the connection for a reason on this side.</summary>
    private void FailConnection(Exception reason)
    {
        lock (_gate)
        {
            _failure ??= reason;
        }

        AbortConnection();
    }

    private void TellOfFullMemory()
    {
        ClientMetrics.For(_options.Connection).SendMemoryExceeded();
        if (_options.Connection.LoggerFactory?.CreateLogger("Duologue.Client") is { } logger)
        {
            logger.SendMemoryExceeded(WebSocketUri.Display(_url.ToUri()!), _options.MaxSendMemory);
        }
    }

    private void AbortConnection()
    {
        WebSocketConnection? connection;
        lock (_gate)
        {
            connection = _connection;
        }

        connection?.Abort();
    }

    /// <summary>The engine's last word.</summary>
    private void OnEnded(WebSocketConnection connection, CloseInfo info)
    {
        if (info.Cause == CloseCause.PeerClosed)
        {
            // A task of its own before the last one: the peer's Close is seen as CLOSING.
            _tasks.Post(() =>
            {
                lock (_gate)
                {
                    if (_state == ReadyState.Open)
                    {
                        _state = ReadyState.Closing;
                    }
                }
            });
        }

        Exception? failure;
        lock (_gate)
        {
            failure = _failure;
        }

        // RFC 6455 §7.1.7 and §7.2.1: a broken protocol or a lost line fails the connection, also when it is our Close that is
        // left without an answer by it. A peer that just stays silent does not, though the end is not clean.
        (ushort Code, string Reason)? received = connection.ReceivedClose;
        bool hasEnded = info.Cause == CloseCause.CloseTimeout
            || (info.Cause is CloseCause.PeerClosed or CloseCause.LocalClose && received is not null);
        if (failure is not null || !hasEnded)
        {
            Finish(failure ?? connection.ClosedException(), CloseFrame.Abnormal, "", wasClean: false);
            return;
        }

        (ushort code, string reason) = received ?? (CloseFrame.Abnormal, "");
        Finish(null, code, reason, info.WasClean);
    }

    /// <summary>Posts the last task, once.</summary>
    private void Finish(Exception? failure, ushort code, string reason, bool wasClean)
    {
        lock (_gate)
        {
            if (_isFinishing)
            {
                return;
            }

            _isFinishing = true;
        }

        _outgoing.End();
        _tasks.Post(() =>
        {
            lock (_gate)
            {
                _state = ReadyState.Closed;
            }

            if (failure is not null)
            {
                ReportFailure(failure);
                Fire(new Event(EventTypes.Error, this));
            }

            Fire(new CloseEvent(this, code, reason, wasClean));
        }, EventTypes.Close);
    }

    private void BeginTask() => _outgoing.PublishTaken();

    private void Fire(Event e) => _listeners.Dispatch(e, ReportUnhandled);

    private void ReportFailure(Exception failure)
    {
        try
        {
            _options.ConnectionFailed?.Invoke(failure);
        }
#pragma warning disable CA1031 // A stranger's code: what it throws is reported like a listener's.
        catch (Exception error)
#pragma warning restore CA1031
        {
            ReportUnhandled(error);
        }
    }

    private void ReportUnhandled(Exception error)
    {
        if (_options.UnhandledListenerException is not Action<Exception> report)
        {
            Console.Error.WriteLine($"Duologue: a listener of the WebSocket to {Url} threw: {error}");
            return;
        }

        try
        {
            report(error);
        }
#pragma warning disable CA1031 // The last place where anything can be told is standard error.
        catch (Exception second)
#pragma warning restore CA1031
        {
            Console.Error.WriteLine($"Duologue: WebSocketOptions.UnhandledListenerException threw {second} when given {error}");
        }
    }

    /// <summary>What the engine tells. The calls never overlap.</summary>
    private sealed class Receiver(WebSocket socket) : IMessageHandler
    {
        private readonly DeliveryWindow _window = new();

        public ValueTask OnOpenAsync(Connection connection) => default;

        public ValueTask OnMessageAsync(Connection connection, Message message)
        {
            // The engine's bytes are borrowed: what the listeners get is theirs.
            int size = message.Data.Length;
            object data = message.Type == MessageType.Text ? message.Text : message.ToArray();
            ValueTask room = _window.PostedAsync(size);
            socket._tasks.Post(() =>
            {
                _window.Delivered(size);
                socket.OnMessageReceived(data);
            }, EventTypes.Message);
            return room;
        }

        public ValueTask OnCloseAsync(Connection connection, CloseInfo info)
        {
            socket.OnEnded((WebSocketConnection)connection, info);
            return default;
        }
    }

    private void OnMessageReceived(object data)
    {
        if (_state != ReadyState.Open)
        {
            return;
        }

        if (data is byte[] bytes && _binaryType == BinaryType.Blob)
        {
            data = Blob.Owning(bytes);
        }

        Fire(new MessageEvent(this, data, _url.Origin));
    }
}
