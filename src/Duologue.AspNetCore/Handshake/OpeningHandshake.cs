using System.Diagnostics;
using System.Globalization;
using Duologue.Protocol.Handshake;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.Extensions.Primitives;

namespace Duologue.AspNetCore;

/// <summary>
/// The opening handshake as ASP.NET Core sees it: who may connect, what is answered. The rules of the RFC are <see cref="ServerHandshake"/>'s.
/// </summary>
internal sealed class OpeningHandshake(DuologueServer server, string endpoint)
{
    /// <summary>Judges a request, cheapest and most telling first: is it a WebSocket at all, whose page asks, is there a handler, does the server take any.</summary>
    public Judgement Judge(HttpContext context, EndpointSettings settings, HandlerChoice? fallback, List<KeyValuePair<string, HandlerChoice>> dispatch, string[] subprotocols)
    {
        HttpRequest request = context.Request;
        ServerHandshakeVerdict verdict = ServerHandshake.Judge(RequestOf(context), subprotocols);
        if (!verdict.IsAccepted)
        {
            return Refuse(Refusal.From(verdict));
        }

        if (!settings.Origins.Allows(request))
        {
            return Refuse(new Refusal(RefusalReason.Origin, StatusCodes.Status403Forbidden, "The pages of this origin may not connect here: it is neither the server's own nor among those that the server's AllowedOrigins lists.", []));
        }

        HandlerChoice? handler = dispatch.Find(pair => pair.Key == verdict.Subprotocol).Value ?? fallback;
        if (handler is null)
        {
            return Refuse(new Refusal(RefusalReason.Subprotocol, StatusCodes.Status400BadRequest, $"This endpoint needs a subprotocol; offer one of {string.Join(", ", subprotocols)} in Sec-WebSocket-Protocol.", []));
        }

        return server.IsDraining
            ? Refuse(Unavailable(RefusalReason.Draining, "The server is shutting down; try again."))
            : new Judgement { IsHttp2 = verdict.Accept is null, Accept = verdict.Accept, Subprotocol = verdict.Subprotocol, Handler = handler };
    }

    /// <summary>Judges a request for a session, whose form was judged before.</summary>
    public Refusal? JudgeSession(HandlerChoice? handler) =>
        handler is null ? new Refusal(RefusalReason.Subprotocol, StatusCodes.Status400BadRequest, "This endpoint needs a subprotocol, which a session over Engine.IO does not have.", [])
        : server.IsDraining ? Unavailable(RefusalReason.Draining, "The server is shutting down; try again.")
        : null;

    /// <summary>The refusal for a limit on connections or on the rate of handshakes, or for want of a node.</summary>
    public Refusal Overloaded(RefusalReason limit) => limit switch
    {
        RefusalReason.AddressLimit => Unavailable(limit, "There are too many connections from this address; close some, or try again later (MaxConnectionsPerAddress)."),
        RefusalReason.SessionLimit => Unavailable(limit, "There are too many sessions from this address; close some, or try again later (MaxSessionsPerAddress)."),
        RefusalReason.SessionNodeAway => Unavailable(limit, "The node that has this session could not be reached; try again."),
        RefusalReason.HandshakeRate => Unavailable(limit, "There are too many handshakes at the moment; try again later (MaxHandshakesPerSecond)."),

        // RFC 6585 §4: one client alone has sent too many requests.
        RefusalReason.AddressRate => Unavailable(limit, "There are too many handshakes from this address; try again later (MaxHandshakesPerSecondPerAddress).") with
        {
            StatusCode = StatusCodes.Status429TooManyRequests,
        },
        _ => Unavailable(limit, "The server has as many connections as it takes; try again later (MaxConnections)."),
    };

    /// <summary>Answers a request that does not become a connection; counts and logs it.</summary>
    public async Task RefuseAsync(HttpContext context, Refusal refusal, Activity? activity)
    {
        Record(context, refusal, activity);
        HttpResponse response = context.Response;
        response.StatusCode = refusal.StatusCode;
        foreach ((string name, string value) in refusal.Headers)
        {
            response.Headers[name] = value;
        }

        response.ContentType = "text/plain; charset=utf-8";
        response.Headers.CacheControl = "no-store";
        await response.WriteAsync(refusal.Sentence + "\n", context.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>Answers 101, or 200 on HTTP/2. Null if that did not come about; the request is then over.</summary>
    public async Task<Stream?> AcceptAsync(HttpContext context, Judgement judgement, TimeSpan timeout, Activity? activity)
    {
        if (OpenerOf(context, judgement) is not { } open)
        {
            await RefuseAsync(context, NotUpgradable(context), activity).ConfigureAwait(false);
            return null;
        }

        SetHeaders(context.Response.Headers, judgement);
        IConnectionDetachFeature? detach = judgement.IsHttp2 ? null : AcceptedRequest.DetachOf(context);
        detach?.Expect();
        bool isOpen = false;
        try
        {
            Task<Stream> opening = open();

            // As a rule the answer has left at once; to ask for the request's token makes one.
            Stream stream = opening.IsCompleted
                ? await opening.ConfigureAwait(false)
                : await opening.WaitAsync(timeout, server.TimeProvider, context.RequestAborted).ConfigureAwait(false);

            // A conversation is not a slow request.
            context.Features.Get<IHttpRequestTimeoutFeature>()?.DisableTimeout();
            isOpen = true;
            return stream;
        }
        catch (TimeoutException)
        {
            Ended(null, new Refusal(RefusalReason.Timeout, 0, "The answer could not be sent within HandshakeTimeout.", []), activity);
            context.Abort();
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or ConnectionAbortedException)
        {
            Ended(error, new Refusal(RefusalReason.Aborted, 0, "The client went away.", []), activity);
        }
        catch (InvalidOperationException) when (!context.Response.HasStarted)
        {
            // Kestrel's MaxConcurrentUpgradedConnections, which has no exception of its own.
            context.Response.Clear();
            await RefuseAsync(context, Unavailable(RefusalReason.ConnectionLimit, "The server has as many connections as it takes; try again later (Kestrel's MaxConcurrentUpgradedConnections)."), activity).ConfigureAwait(false);
        }
        finally
        {
            if (!isOpen)
            {
                detach?.GiveUp();
            }
        }

        return null;
    }

    // RFC 6455 §4.1: the handshake is a GET; behind its head the frames begin, so that a body has no place.
    private static Refusal NotUpgradable(HttpContext context) =>
        context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true }
            ? new Refusal(RefusalReason.MalformedHandshake, StatusCodes.Status400BadRequest, "A WebSocket handshake has no body: leave out Content-Length and Transfer-Encoding.", [])
            : new Refusal(RefusalReason.UpgradeUnavailable, StatusCodes.Status501NotImplemented, "This web server cannot upgrade the request to a WebSocket. Kestrel can; TestServer cannot: run the test host on Kestrel (UseKestrel).", []);

    private static Func<Task<Stream>>? OpenerOf(HttpContext context, Judgement judgement)
    {
        if (judgement.IsHttp2)
        {
            return context.Features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true } connect
                ? () => connect.AcceptAsync().AsTask()
                : null;
        }

        return context.Features.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true } upgrade ? upgrade.UpgradeAsync : null;
    }

    private static void SetHeaders(IHeaderDictionary headers, Judgement judgement)
    {
        if (!judgement.IsHttp2)
        {
            headers.Upgrade = HandshakeHeaders.WebSocket;
            headers.Connection = HandshakeHeaders.Upgrade;
            headers.SecWebSocketAccept = judgement.Accept;
        }

        if (judgement.Subprotocol is not null)
        {
            headers.SecWebSocketProtocol = judgement.Subprotocol;
        }

        if (judgement.Extensions.Length > 0)
        {
            headers.SecWebSocketExtensions = judgement.Extensions;
        }
    }

    private static ServerHandshakeRequest<StringValues> RequestOf(HttpContext context)
    {
        HttpRequest request = context.Request;
        IHeaderDictionary headers = request.Headers;
        return new()
        {
            Method = request.Method,
            HttpVersion = request.Protocol,
            ConnectProtocol = context.Features.Get<IHttpExtendedConnectFeature>()?.Protocol,
            Connection = headers.Connection,
            Upgrade = headers.Upgrade,
            Key = headers.SecWebSocketKey,
            Version = headers.SecWebSocketVersion,
            Subprotocols = headers.SecWebSocketProtocol,
            Extensions = headers.SecWebSocketExtensions,
        };
    }

    private Refusal Unavailable(RefusalReason reason, string sentence)
    {
        string seconds = Math.Ceiling(server.Options.RetryAfter.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        return new Refusal(reason, StatusCodes.Status503ServiceUnavailable, sentence, [new("Retry-After", seconds)]);
    }

    /// <summary>Counts and logs a request that does not become a connection.</summary>
    public void Record(HttpContext context, in Refusal refusal, Activity? activity)
    {
        server.Metrics.HandshakeFailed(refusal.Reason);
        Tracing.Refused(activity, refusal);
        if (refusal.Reason == RefusalReason.Origin)
        {
            StringValues origin = context.Request.Headers.Origin;
            string refused = origin.Count > 0 ? PeerText.Quote(origin) : "of another site, which Sec-Fetch-Site tells of,";
            Log.OriginRefused(server.HandshakeLogger, endpoint, refused, PeerText.Quote(OriginPolicy.OwnOrigin(context.Request) ?? "unknown"));
            return;
        }

        Log.HandshakeRefused(server.HandshakeLogger, endpoint, refusal.StatusCode, refusal.Reason.Name(), refusal.LoggedSentence);
    }

    private void Ended(Exception? error, in Refusal refusal, Activity? activity)
    {
        server.Metrics.HandshakeFailed(refusal.Reason);
        Tracing.Refused(activity, refusal);
        Log.HandshakeEnded(server.HandshakeLogger, error, endpoint, refusal.Reason.Name(), refusal.LoggedSentence);
    }

    private static Judgement Refuse(Refusal refusal) => new() { Refusal = refusal };
}
