using System.Buffers;
using System.Diagnostics;
using System.Net;
using Duologue.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Timeouts;

namespace Duologue.AspNetCore;

// Sessions over Engine.IO v4, on the endpoint's own path: opening, polling, WebSocket, and the change from one to the other. The
// checks come in the order of the protocol's reference, so that a client is told of the same mistake first.
internal sealed partial class DuologueEndpoint
{
    // The session's own node ends what is silent for longer than its heartbeat; this is behind it.
    private static readonly TimeSpan ForwardSlack = TimeSpan.FromSeconds(30);

    private readonly SessionTable _sessions;

    /// <summary>Whether a request is for a session here.</summary>
    public bool TakesSession(HttpRequest request) => _settings.Sessions && EngineIoQuery.IsOn(request);

    private async Task HandleSessionAsync(HttpContext context)
    {
        EngineIoQuery query = EngineIoQuery.Read(context.Request);
        bool isUpgrade = WebSocketMatcherPolicy.IsWebSocket(context);
        if (query.SessionId is { } id && _server.Nodes is { } nodes && SessionId.NodeOf(id) is { } node && node != nodes.Name && !HttpMethods.IsOptions(context.Request.Method))
        {
            await ForwardAsync(context, nodes, node, isUpgrade).ConfigureAwait(false);
            return;
        }

        bool isAllowed = isUpgrade ? _settings.Origins.Allows(context.Request) : CorsHeaders.TryApply(context, _settings.Origins) && !_settings.Origins.IsHidden(context.Request);
        if (HttpMethods.IsOptions(context.Request.Method) && isAllowed)
        {
            CorsHeaders.AnswerPreflight(context.Response);
            CorsHeaders.AllowWhatIsAsked(context);
            return;
        }

        SessionError? error = null;
        Session? session = null;
        if (query.Transport is not (EngineIoQuery.Polling or EngineIoQuery.WebSocket))
        {
            error = SessionError.UnknownTransport;
        }
        else if (!isAllowed)
        {
            error = SessionError.Forbidden;
        }
        else if (query.SessionId is not null)
        {
            error = JudgeSession(context, query, isUpgrade, out session);
        }
        else
        {
            error = JudgeOpening(context, query, isUpgrade);
        }

        if (error is { } refused)
        {
            await RefuseSessionAsync(context, refused, isUpgrade).ConfigureAwait(false);
        }
        else if (isUpgrade)
        {
            await OpenSessionSocketAsync(context, query, session).ConfigureAwait(false);
        }
        else if (session is null)
        {
            await OpenPolledAsync(context).ConfigureAwait(false);
        }
        else if (HttpMethods.IsPost(context.Request.Method))
        {
            if (await SessionRequest.PostAsync(context, session, query.Name).ConfigureAwait(false) == StatusCodes.Status413PayloadTooLarge)
            {
                _handshake.Record(context, new Refusal(RefusalReason.SessionRequest, StatusCodes.Status413PayloadTooLarge, "The payload is larger than MaxSessionPayload.", []), null);
            }
        }
        else
        {
            await SessionRequest.PollAsync(context, session, query.Name, query.Wait).ConfigureAwait(false);
        }
    }

    // All that is judged the session's own node judges: it has the same endpoint.
    private async Task ForwardAsync(HttpContext context, SessionNodes nodes, string node, bool isUpgrade)
    {
        if (isUpgrade && _server.IsDraining && _handshake.JudgeSession(_default) is { } draining)
        {
            await _handshake.RefuseAsync(context, draining, null).ConfigureAwait(false);
            return;
        }

        // A held request is not a slow one.
        context.Features.Get<IHttpRequestTimeoutFeature>()?.DisableTimeout();
        SessionRequest.AllowPayload(context, _settings.MaxSessionPayload);
        ForwardOutcome outcome = await nodes.TryForwardAsync(context, node, isUpgrade, _settings.PingInterval + _settings.PingTimeout + ForwardSlack).ConfigureAwait(false);
        if (outcome == ForwardOutcome.Answered)
        {
            return;
        }

        if (!isUpgrade)
        {
            // So that a page of another origin may read the status.
            CorsHeaders.TryApply(context, _settings.Origins);
        }

        if (outcome == ForwardOutcome.NodeAway)
        {
            await _handshake.RefuseAsync(context, _handshake.Overloaded(RefusalReason.SessionNodeAway), null).ConfigureAwait(false);
            return;
        }

        await RefuseSessionAsync(context, SessionError.NodeGone, isUpgrade).ConfigureAwait(false);
    }

    private SessionError? JudgeSession(HttpContext context, in EngineIoQuery query, bool isUpgrade, out Session? session)
    {
        session = _sessions.Find(query.SessionId!);

        // What is over by the clock may not have been told so yet.
        session?.Carrier.CheckClock();
        session = _sessions.Find(query.SessionId!);
        if (session is null || !session.BelongsTo(UserIdOf(context)))
        {
            return SessionError.UnknownSession;
        }

        if (isUpgrade)
        {
            return query.Transport == EngineIoQuery.WebSocket && query.IsVersion4 ? null : SessionError.BadRequest;
        }

        if (query.Transport != EngineIoQuery.Polling || !session.IsPolled || !query.IsVersion4 || !query.IsWaitValid)
        {
            return SessionError.BadRequest;
        }

        return HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsPost(context.Request.Method) ? null : SessionError.MethodNotAllowed;
    }

    private static SessionError? JudgeOpening(HttpContext context, in EngineIoQuery query, bool isUpgrade)
    {
        if (!isUpgrade && !HttpMethods.IsGet(context.Request.Method))
        {
            return SessionError.BadMethod;
        }

        if (isUpgrade != (query.Transport == EngineIoQuery.WebSocket))
        {
            return SessionError.BadRequest;
        }

        return query.IsVersion4 ? null : SessionError.UnsupportedVersion;
    }

    private async Task RefuseSessionAsync(HttpContext context, SessionError error, bool isUpgrade)
    {
        _handshake.Record(context, error.ToRefusal(), null);
        await error.WriteAsync(context, isUpgrade).ConfigureAwait(false);
    }

    private async Task OpenPolledAsync(HttpContext context)
    {
        using Activity? activity = Tracing.StartConnect(context, Pattern);
        EndpointSettings settings = _settings;
        if (_handshake.JudgeSession(_default) is { } refusal)
        {
            await _handshake.RefuseAsync(context, refusal, activity).ConfigureAwait(false);
            return;
        }

        RequestInfo request = RequestCapture.Capture(context, Pattern, settings.CapturedHeaders, Tracing.ContextOf(activity));
        if (Admit(context) is { } limit)
        {
            await _handshake.RefuseAsync(context, _handshake.Overloaded(limit), activity).ConfigureAwait(false);
            return;
        }

        WebSocketConnection connection = Create(request, UserIdOf(request), settings, SessionSetupOf(settings, _default!), null);
        var session = new Session(_sessions, _server.Metrics, connection, settings, isPolled: true);
        Tracing.Connected(activity, connection);
        Begin(session, connection);
        byte[] answer = session.OpenPacket(Transport.LongPolling);
        HttpResponse response = context.Response;
        response.ContentType = "text/plain; charset=UTF-8";
        response.Headers.CacheControl = "no-store";
        response.ContentLength = answer.Length;
        response.BodyWriter.Write(answer);
    }

    // Nothing of the conversation belongs to the request's trace, which ends with the request.
    private void Begin(Session session, WebSocketConnection connection)
    {
        Activity? around = Activity.Current;
        Activity.Current = null;
        try
        {
            session.Start();
            LogAccepted(connection, detached: false);
            if (_default!.Conversation is { } conversation)
            {
                // It outlives the request. It never throws, and whoever wants to know its end asks the connection's.
                _ = Task.Run(() => DelegateConversation.RunAsync(connection, conversation, _server.ConnectionLogger));
            }
        }
        finally
        {
            Activity.Current = around;
        }
    }

    private async Task OpenSessionSocketAsync(HttpContext context, EngineIoQuery query, Session? session)
    {
        EndpointSettings settings = _settings;
        (AcceptedRequest Request, WebSocketConnection? Opened)? accepted = await AcceptSessionSocketAsync(context, settings, query, session).ConfigureAwait(false);
        if (accepted is { } socket)
        {
            // The session needs nothing of the request: where the transport goes on without it, so does the WebSocket that carries the session, or tries to.
            await CarryOnAsync(socket.Request, socket.Opened, _default!).ConfigureAwait(false);
        }
    }

    private async Task<(AcceptedRequest Request, WebSocketConnection? Opened)?> AcceptSessionSocketAsync(HttpContext context, EndpointSettings settings, EngineIoQuery query, Session? session)
    {
        using Activity? activity = Tracing.StartConnect(context, Pattern);
        Judgement judgement = _handshake.Judge(context, settings, _default, [], []);
        if (judgement.Refusal is { } refusal)
        {
            await _handshake.RefuseAsync(context, refusal, activity).ConfigureAwait(false);
            return null;
        }

        WebSocketConnection? opened = null;
        if (session is null)
        {
            RequestInfo request = RequestCapture.Capture(context, Pattern, settings.CapturedHeaders, Tracing.ContextOf(activity));
            if (Admit(context) is { } limit)
            {
                await _handshake.RefuseAsync(context, _handshake.Overloaded(limit), activity).ConfigureAwait(false);
                return null;
            }

            opened = Create(request, UserIdOf(request), settings, SessionSetupOf(settings, _default!), null);
            session = new Session(_sessions, _server.Metrics, opened, settings, isPolled: false);
        }

        var socket = new SocketTransport(session, query.WantsBase64);
        socket.Socket = new WebSocketConnection(SocketSetup(settings, socket), (opened ?? session.Carrier.Connection).Request, new object());
        if (opened is not null)
        {
            session.OpenOn(socket, opened);
            Tracing.Connected(activity, opened);
        }
        else if (!session.TryProbe(socket, settings.SessionUpgradeTimeout))
        {
            await RefuseSessionAsync(context, SessionError.BadRequest, isUpgrade: true).ConfigureAwait(false);
            return null;
        }

        Stream? stream = null;
        try
        {
            stream = await _handshake.AcceptAsync(context, judgement, settings.HandshakeTimeout, activity).ConfigureAwait(false);
        }
        finally
        {
            if (stream is null)
            {
                opened?.Abort();
                session.EndProbe(socket);
                if (opened is not null)
                {
                    session.OnEnd();
                }
            }
        }

        return stream is null ? null : (new AcceptedRequest(context, stream, judgement.IsHttp2, socket.Socket, judgement.Handler!), opened);
    }

    private RefusalReason? Admit(HttpContext context)
    {
        IPAddress? remote = context.Connection.RemoteIpAddress;
        if (_server.HandshakeRate.TryTake(remote) is { } rate)
        {
            return rate;
        }

        if (_server.SessionAdmission.TryEnter(remote, out AddressKey address) is not null)
        {
            return RefusalReason.SessionLimit;
        }

        RefusalReason? limit = _server.Admission.TryEnter(remote, out _);
        if (limit is not null)
        {
            _server.SessionAdmission.Leave(address);
        }

        return limit;
    }

    private ConnectionSetup SessionSetupOf(EndpointSettings settings, HandlerChoice handler) =>
        // No subprotocol is called so: a name has no space.
        settings.Setups.GetOrAdd((handler, "a session"), _ => new ConnectionSetup
        {
            Role = Role.Server,
            Origin = _origin,
            IsSession = true,

            // The session has its own keep-alive, and the connection beneath compresses nothing. A client that polls may rest between its polls for as long as its pong may take: that is no silence.
            Options = settings.Connection with
            {
                KeepAliveInterval = Timeout.InfiniteTimeSpan,
                Compression = Compression.Off,
                SendTimeout = RestingTime(settings),
            },
            Observer = _server.Observer,
            Logger = _server.ConnectionLogger,
            Handler = handler.Receiver(settings.TraceMessages, Pattern),
            OnThreadPool = settings.OnThreadPool,
        });

    private static TimeSpan RestingTime(EndpointSettings settings)
    {
        TimeSpan timeout = settings.Connection.SendTimeout;
        return timeout == Timeout.InfiniteTimeSpan || timeout > settings.PingTimeout ? timeout : settings.PingTimeout;
    }

    private static ConnectionSetup SocketSetup(EndpointSettings settings, SocketTransport socket) => new()
    {
        Role = Role.Server,
        Options = settings.Connection with { KeepAliveInterval = Timeout.InfiniteTimeSpan, Compression = Compression.Off, MaxMessageSize = settings.MaxSessionPayload },
        Handler = socket,
    };

    private static string? UserIdOf(RequestInfo request) => request.HasUser ? UserIdentity.IdOf(request.User) : null;

    private static string? UserIdOf(HttpContext context) => UserIdentity.IdOf(context.User);
}
