using System.Diagnostics;
using System.Net;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore;

/// <summary>One mapped pattern: judges its requests, and turns those that pass into connections.</summary>
internal sealed partial class DuologueEndpoint
{
    private readonly DuologueServer _server;
    private readonly ConnectionOrigin _origin;
    private readonly OpeningHandshake _handshake;
    private readonly DuologueEndpointOptions _options;
    private readonly HandlerChoice? _default;
    private readonly List<KeyValuePair<string, HandlerChoice>> _bySubprotocol = [];
    private EndpointSettings _settings;
    private string[] _subprotocols;

    public DuologueEndpoint(DuologueServer server, string pattern, HandlerChoice? handler)
        : this(server, pattern, handler, new DuologueEndpointOptions.Copied(server.Options))
    {
    }

    /// <summary>An endpoint whose options belong to something that is more than this.</summary>
    public DuologueEndpoint(DuologueServer server, string pattern, HandlerChoice? handler, DuologueEndpointOptions options)
    {
        _server = server;
        _origin = new ConnectionOrigin(server, pattern);
        Pattern = pattern;
        _handshake = new OpeningHandshake(server, pattern);
        _options = options;
        _default = handler;
        _settings = new EndpointSettings(_options, server.TimeProvider);
        _subprotocols = Known();
        _sessions = new SessionTable(server.Node);
    }

    public string Pattern { get; }

    /// <summary>Changes the endpoint's options. While the application is set up; not while it serves.</summary>
    public void Configure(Action<DuologueEndpointOptions> configure)
    {
        configure(_options);
        DuologueOptionsValidator.ThrowIfInvalid($"The options of MapDuologue(\"{Pattern}\")", _options);
        Renew();
    }

    /// <summary>Takes the options as they are now.</summary>
    public void Renew()
    {
        _settings = new EndpointSettings(_options, _server.TimeProvider);
        _subprotocols = Known();
    }

    public EndpointSettings Settings => _settings;

    /// <summary>Sends clients that offer a subprotocol to a handler of its own. Earlier ones are preferred.</summary>
    public void Dispatch(string subprotocol, HandlerChoice handler)
    {
        string[] names = [.. _bySubprotocol.Select(pair => pair.Key), subprotocol];
        if (Protocol.Handshake.Subprotocols.FindError(names) is { } error)
        {
            throw new ArgumentException($"MapDuologue(\"{Pattern}\"): {error}", nameof(subprotocol));
        }

        _bySubprotocol.Add(new(subprotocol, handler));
        _subprotocols = Known();
    }

    // Most preferred first.
    private string[] Known() => [.. _bySubprotocol.Select(pair => pair.Key), .. _default is null ? [] : _settings.Subprotocols];

    /// <exception cref="InvalidOperationException">Nobody would talk to the endpoint's connections.</exception>
    public void ThrowIfIncomplete()
    {
        if (_default is null && _bySubprotocol.Count == 0)
        {
            throw new InvalidOperationException($"MapDuologue(\"{Pattern}\") has no handler: give it one, or call WithSubprotocol on what it returns.");
        }
    }

    public Task HandleAsync(HttpContext context) => TakesSession(context.Request) ? HandleSessionAsync(context) : HandleSocketAsync(context);

    /// <summary>Handles a request that is for a WebSocket, and for no session.</summary>
    public Task HandleSocketAsync(HttpContext context) => HandleSocketAsync(context, _default, _bySubprotocol, _subprotocols);

    /// <summary>The same, where the handler was chosen for this request alone.</summary>
    public Task HandleSocketAsync(HttpContext context, HandlerChoice handler) => HandleSocketAsync(context, handler, [], _settings.Subprotocols);

    private async Task HandleSocketAsync(HttpContext context, HandlerChoice? fallback, List<KeyValuePair<string, HandlerChoice>> bySubprotocol, string[] subprotocols)
    {
        AcceptedRequest? accepted = await OpenAsync(context, fallback, bySubprotocol, subprotocols).ConfigureAwait(false);
        if (accepted is not null)
        {
            await CarryOnAsync(accepted, accepted.Connection, accepted.Handler).ConfigureAwait(false);
        }
    }

    /// <summary>What follows a handshake: the WebSocket goes on without its request where its transport can, or with it to the end.</summary>
    /// <param name="accepted">The WebSocket.</param>
    /// <param name="opened">The connection whose conversation begins with it; null if that has begun before.</param>
    /// <param name="handler">The conversation's.</param>
    private async Task CarryOnAsync(AcceptedRequest accepted, WebSocketConnection? opened, HandlerChoice handler)
    {
        // From here on nothing belongs to the request's trace, which would last as long as the conversation.
        Activity.Current = null;
        if (accepted.Detach?.TryDetach(accepted.Connection) == true)
        {
            // It outlives the request. It never throws, and whoever wants to know its end asks the connection's.
            _ = ConverseAsync(opened, handler, detached: true);
            return;
        }

        Task carried = accepted.CarryAsync();
        await ConverseAsync(opened, handler, detached: false).ConfigureAwait(false);
        await carried.ConfigureAwait(false);
    }

    private Task ConverseAsync(WebSocketConnection? opened, HandlerChoice handler, bool detached)
    {
        if (opened is null)
        {
            return Task.CompletedTask;
        }

        LogAccepted(opened, detached);
        return handler.Conversation is { } conversation ? DelegateConversation.RunAsync(opened, conversation, _server.ConnectionLogger) : Task.CompletedTask;
    }

    private void LogAccepted(WebSocketConnection connection, bool detached)
    {
        // To spell an id takes a string.
        if (_server.ConnectionLogger.IsEnabled(LogLevel.Debug))
        {
            Log.ConnectionAccepted(_server.ConnectionLogger, connection.Id, Pattern, connection.Subprotocol, detached);
        }
    }

    // Everything up to the 101, and what is kept of the request; null if the request was refused.
    private async Task<AcceptedRequest?> OpenAsync(HttpContext context, HandlerChoice? fallback, List<KeyValuePair<string, HandlerChoice>> bySubprotocol, string[] subprotocols)
    {
        using Activity? activity = Tracing.StartConnect(context, Pattern);
        EndpointSettings settings = _settings;
        Judgement judgement = _handshake.Judge(context, settings, fallback, bySubprotocol, subprotocols);
        if (judgement.Refusal is { } refusal)
        {
            await _handshake.RefuseAsync(context, refusal, activity).ConfigureAwait(false);
            return null;
        }

        // Before a place is taken: what is captured comes from code that is not ours, such as a principal's, and might throw.
        RequestInfo request = RequestCapture.Capture(context, Pattern, settings.CapturedHeaders, Tracing.ContextOf(activity));
        string? userId = request.HasUser ? UserIdentity.IdOf(request.User) : null;
        IPAddress? remote = context.Connection.RemoteIpAddress;
        if ((_server.HandshakeRate.TryTake(remote) ?? _server.Admission.TryEnter(remote, out _)) is { } limit)
        {
            await _handshake.RefuseAsync(context, _handshake.Overloaded(limit), activity).ConfigureAwait(false);
            return null;
        }

        judgement.Extensions = _server.Compression.Agree(context.Request.Headers.SecWebSocketExtensions, settings.Connection.Compression, out DeflateAgreement? deflate);
        judgement.Deflate = deflate;

        // Registered before the answer leaves, so that who has the 101 is found by whoever it tells; what is sent until then waits.
        ConnectionStock? stock = judgement.IsHttp2 ? null : AcceptedRequest.DetachOf(context)?.Stock;
        WebSocketConnection connection = Create(request, userId, settings, SetupOf(settings, judgement), stock);
        Stream? stream = null;
        try
        {
            stream = await _handshake.AcceptAsync(context, judgement, settings.HandshakeTimeout, activity).ConfigureAwait(false);
        }
        finally
        {
            if (stream is null)
            {
                connection.Abort();
            }
        }

        if (stream is null)
        {
            return null;
        }

        if (((ConnectionState)connection.Owner).TryOpen(Transport.WebSocket))
        {
            _server.Metrics.OfConnections.Opened(Transport.WebSocket);
        }

        Tracing.Connected(activity, connection);
        return new AcceptedRequest(context, stream, judgement.IsHttp2, connection, judgement.Handler!);
    }

    private WebSocketConnection Create(RequestInfo request, string? userId, EndpointSettings settings, ConnectionSetup setup, ConnectionStock? stock)
    {
        long now = _server.TimeProvider.GetTimestamp();
        ConnectionState state = settings.TraceMessages && Activity.Current is { } current
            ? new TracedConnectionState(userId, now) { Baggage = [.. current.Baggage] }
            : stock?.TakeState(userId, now) ?? new ConnectionState(userId, now);
        WebSocketConnection connection = stock?.Take(setup, request, state) ?? new WebSocketConnection(setup, request, state);
        _server.Connections.Add(connection, state.UserId);
        if (_server.IsDraining)
        {
            // The drain began after the request was judged and may have looked at the registry before this.
            DrainService.Close(connection);
        }

        return connection;
    }

    // Connections that differ in nothing here share it: an idle one has enough to keep. What was agreed about compression is each one's own.
    private ConnectionSetup SetupOf(EndpointSettings settings, Judgement judgement)
    {
        HandlerChoice handler = judgement.Handler!;
        if (judgement.Deflate is not null || !IsOwn(handler))
        {
            return CreateSetup(settings, judgement, handler);
        }

        // As many as there are subprotocols of the server's own.
        return settings.Setups.TryGetValue((handler, judgement.Subprotocol ?? ""), out ConnectionSetup? setup)
            ? setup
            : settings.Setups.GetOrAdd((handler, judgement.Subprotocol ?? ""), CreateSetup(settings, judgement, handler));
    }

    // Others are made for one request: to remember them would be to remember them all.
    private bool IsOwn(HandlerChoice handler) => handler == _default || _bySubprotocol.Exists(pair => pair.Value == handler);

    private ConnectionSetup CreateSetup(EndpointSettings settings, Judgement judgement, HandlerChoice handler) => new()
    {
        Role = Role.Server,
        Origin = _origin,
        Options = settings.Connection,
        Subprotocol = judgement.Subprotocol,
        Extensions = judgement.Extensions,
        Deflate = judgement.Deflate,
        Observer = _server.Observer,
        Logger = _server.ConnectionLogger,
        Handler = handler.Receiver(settings.TraceMessages, Pattern),
        OnThreadPool = settings.OnThreadPool,
    };
}
