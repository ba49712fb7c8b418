using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Options;

namespace Duologue.AspNetCore;

/// <summary>One pattern that was mapped to topics: judges its requests, and sends each its way.</summary>
internal sealed class TopicEndpoint
{
    internal const string NameParameter = "name";

    private readonly DuologueServer _server;
    private readonly TopicEndpointOptions _options;
    private readonly DuologueEndpoint _sockets;
    private readonly TopicAuthorization _authorization;

    public TopicEndpoint(DuologueServer server, string pattern)
    {
        _server = server;
        Pattern = pattern;
        _options = new TopicEndpointOptions(server.Options);
        _sockets = new DuologueEndpoint(server, pattern, null, _options);
        _authorization = new TopicAuthorization(_options, pattern, server.TopicLogger);
        _sockets.Dispatch(TopicsProtocol.Name, HandlerChoice.Of(new TopicsHandler(server.Topics, _authorization)));
    }

    public string Pattern { get; }

    /// <summary>Changes the endpoint's options. While the application is set up; not while it serves.</summary>
    /// <exception cref="OptionsValidationException">A value is out of its range.</exception>
    public void Configure(Action<TopicEndpointOptions> configure)
    {
        configure(_options);
        string where = $"The options of MapTopics(\"{Pattern}\")";
        DuologueOptionsValidator.ThrowIfInvalid(where, _options);
        string[] failures = [.. _options.FindFailures(where)];
        if (failures.Length > 0)
        {
            throw new OptionsValidationException(where, typeof(TopicEndpointOptions), failures);
        }

        _sockets.Renew();
    }

    /// <summary>Answers a preflight request. Source: WHATWG Fetch §3.3.</summary>
    public Task PreflightAsync(HttpContext context)
    {
        if (!CorsHeaders.TryApply(context, _sockets.Settings.Origins))
        {
            return RefuseAsync(context, ForeignOrigin);
        }

        CorsHeaders.AnswerPreflight(context.Response);
        return Task.CompletedTask;
    }

    public Task HandleAsync(HttpContext context)
    {
        string name = context.GetRouteValue(NameParameter) as string ?? "";
        if (WebSocketMatcherPolicy.IsWebSocket(context))
        {
            return name.Length == 0 ? OpenSocketOfManyAsync(context) : OpenSocketAsync(context, name);
        }

        if (Judge(context, name) is { } refusal)
        {
            return RefuseAsync(context, refusal);
        }

        // Each way on from here is one method with one state: a held request keeps it.
        return HttpMethods.IsPost(context.Request.Method) ? PublishAsync(context, name) : ReadAsync(context, name);
    }

    private static FeedRefusal ForeignOrigin =>
        new(FeedRefusalReason.Origin, StatusCodes.Status403Forbidden, "The pages of this origin may not use these topics: it is neither the server's own nor among those that the server's AllowedOrigins lists.");

    private FeedRefusal? Judge(HttpContext context, string name)
    {
        OriginPolicy origins = _sockets.Settings.Origins;
        if (!CorsHeaders.TryApply(context, origins) || (origins.IsHidden(context.Request) && FeedRequest.WantsEventStream(context.Request)))
        {
            return ForeignOrigin;
        }

        bool isPost = HttpMethods.IsPost(context.Request.Method);
        if (!isPost && !HttpMethods.IsGet(context.Request.Method))
        {
            context.Response.Headers.Allow = "GET, POST, OPTIONS";
            return new FeedRefusal(FeedRefusalReason.Method, StatusCodes.Status405MethodNotAllowed, "A topic is read with GET and published to with POST.");
        }

        if (name.Length == 0)
        {
            return new FeedRefusal(FeedRefusalReason.Name, StatusCodes.Status404NotFound, $"Name a topic in the path, or open a WebSocket here with the subprotocol {TopicsProtocol.Name} for many topics.");
        }

        if (TopicName.FindError(name) is { } error)
        {
            return new FeedRefusal(FeedRefusalReason.Name, StatusCodes.Status400BadRequest, error);
        }

        if (_server.IsDraining)
        {
            return new FeedRefusal(FeedRefusalReason.Draining, StatusCodes.Status503ServiceUnavailable, "The server is shutting down; try again.");
        }

        if (isPost && !_options.AllowPublishing)
        {
            return new FeedRefusal(FeedRefusalReason.PublishingOff, StatusCodes.Status403Forbidden, "Clients may not publish here (AllowPublishing).");
        }

        bool allowed = isPost ? _authorization.MayPublish(name, context.User) : _authorization.MaySubscribe(name, context.User);
        return allowed ? null : Forbidden(isPost ? "publish to" : "read");
    }

    private static FeedRefusal Forbidden(string what) =>
        new(FeedRefusalReason.Forbidden, StatusCodes.Status403Forbidden, $"You may not {what} this topic.");

    private async Task ReadAsync(HttpContext context, string name)
    {
        if (FeedQuery.TryRead(context.Request, _options.MaxItems, out FeedQuery query) is { } refusal)
        {
            await RefuseAsync(context, refusal).ConfigureAwait(false);
            return;
        }

        if (FeedRequest.WantsEventStream(context.Request))
        {
            await HoldAsync(context, FeedWay.ServerSentEvents, name, query, default).ConfigureAwait(false);
            return;
        }

        TopicPage page;
        try
        {
            page = await _server.Topics.Broker.ReadAsync(name, query.Start, query.Limit, _options.MaxPageBytes, context.RequestAborted).ConfigureAwait(false);
        }
        catch (BrokerUnavailableException unavailable)
        {
            await RefuseAsync(context, Away(unavailable)).ConfigureAwait(false);
            return;
        }

        if (query.Start.Kind == TopicStartKind.After)
        {
            _server.Topics.Recovered(name, page);
        }

        if (query.Wait > TimeSpan.Zero && page.IsEmpty)
        {
            await HoldAsync(context, FeedWay.LongPolling, name, query, page.Next).ConfigureAwait(false);
            return;
        }

        _server.Metrics.FeedRequested(query.Wait > TimeSpan.Zero ? FeedWay.LongPolling : FeedWay.Polling);
        FeedAnswer.WritePage(context, query, page);
    }

    private async Task HoldAsync(HttpContext context, string way, string name, FeedQuery query, TopicPosition after)
    {
        // A request that is held is to the server what a connection is.
        if (_server.Admission.TryEnter(context.Connection.RemoteIpAddress, out AddressKey address) is { } limit)
        {
            await RefuseAsync(context, Overloaded(limit)).ConfigureAwait(false);
            return;
        }

        _server.Metrics.FeedRequested(way);
        _server.Metrics.Held(way, 1);
        using HeldRequest? held = _server.Connections.Held.Begin(UserIdentity.IdOf(context.User), context.RequestAborted);
        CancellationToken stop = held?.Stop ?? context.RequestAborted;
        try
        {
            // A held request is not a slow one.
            context.Features.Get<IHttpRequestTimeoutFeature>()?.DisableTimeout();
            await (way == FeedWay.LongPolling
                ? LongPoll.RunAsync(context, _server.Topics, name, query, after, _options, stop)
                : EventStream.RunAsync(context, _server.Topics, name, query, _options, stop)).ConfigureAwait(false);
        }
        catch (TopicLimitException limitOfTopics) when (!context.Response.HasStarted)
        {
            await RefuseAsync(context, TooManyTopics(limitOfTopics)).ConfigureAwait(false);
        }
        catch (BrokerUnavailableException unavailable) when (!context.Response.HasStarted)
        {
            await RefuseAsync(context, Away(unavailable)).ConfigureAwait(false);
        }
        catch (BrokerUnavailableException)
        {
            // A stream that has begun ends here: the client comes back with the cursor that it has.
            context.Abort();
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client has gone; nobody is left to be answered.
        }
        finally
        {
            _server.Metrics.Held(way, -1);
            _server.Admission.Leave(address);
        }
    }

    private async Task PublishAsync(HttpContext context, string name)
    {
        (TopicMessage? message, FeedRefusal refusal) = await FeedRequest.ReadMessageAsync(context, _options.MaxMessageSize).ConfigureAwait(false);
        if (message is null)
        {
            await RefuseAsync(context, refusal).ConfigureAwait(false);
            return;
        }

        TopicPosition position;
        try
        {
            position = await _server.Topics.PublishAsync(name, message, context.RequestAborted).ConfigureAwait(false);
        }
        catch (TopicLimitException limit)
        {
            await RefuseAsync(context, TooManyTopics(limit)).ConfigureAwait(false);
            return;
        }
        catch (BrokerUnavailableException unavailable)
        {
            await RefuseAsync(context, Away(unavailable)).ConfigureAwait(false);
            return;
        }

        _server.Metrics.FeedRequested(FeedWay.Publish);
        context.Response.ContentType = FeedAnswer.Json;
        context.Response.Headers.CacheControl = "no-store";
        byte[] answer = JsonSerializer.SerializeToUtf8Bytes(new PublishedAnswer(position.ToString()), FeedContext.Default.PublishedAnswer);
        context.Response.ContentLength = answer.Length;
        await context.Response.Body.WriteAsync(answer, context.RequestAborted).ConfigureAwait(false);
    }

    private Task OpenSocketAsync(HttpContext context, string name)
    {
        FeedQuery query = default;
        FeedRefusal? refusal = TopicName.FindError(name) is { } error ? new FeedRefusal(FeedRefusalReason.Name, StatusCodes.Status400BadRequest, error)
            : FeedQuery.TryRead(context.Request, _options.MaxItems, out query) is { } bad ? bad
            : !_authorization.MaySubscribe(name, context.User) ? Forbidden("read")
            : null;
        if (refusal is not null)
        {
            return RefuseAsync(context, refusal.Value);
        }

        _server.Metrics.FeedRequested(FeedWay.WebSocket);
        return _sockets.HandleSocketAsync(context, HandlerChoice.Of(new FeedSocket(_server.Topics, name, query.Start, _authorization)));
    }

    private Task OpenSocketOfManyAsync(HttpContext context)
    {
        _server.Metrics.FeedRequested(FeedWay.WebSocket);
        return _sockets.HandleSocketAsync(context);
    }

    private static FeedRefusal TooManyTopics(TopicLimitException limit) =>
        new(FeedRefusalReason.TopicLimit, StatusCodes.Status503ServiceUnavailable, $"The server has {limit.Limit} topics, which is the most ({limit.Option}); try again later, or use a topic that is there.");

    private static FeedRefusal Away(BrokerUnavailableException unavailable) => new(FeedRefusalReason.BrokerUnavailable, StatusCodes.Status503ServiceUnavailable, unavailable.Message);

    private static FeedRefusal Overloaded(RefusalReason limit) => limit == RefusalReason.AddressLimit
        ? new(FeedRefusalReason.AddressLimit, StatusCodes.Status503ServiceUnavailable, "There are too many connections and held requests from this address; end some, or try again later (MaxConnectionsPerAddress).")
        : new(FeedRefusalReason.ConnectionLimit, StatusCodes.Status503ServiceUnavailable, "The server has as many connections and held requests as it takes; try again later (MaxConnections).");

    private async Task RefuseAsync(HttpContext context, FeedRefusal refusal)
    {
        _server.Metrics.FeedRefused(refusal.Reason);
        Log.FeedRefused(_server.TopicLogger, Pattern, refusal.StatusCode, refusal.Reason.Name(), refusal.Sentence);
        HttpResponse response = context.Response;
        response.StatusCode = refusal.StatusCode;
        if (refusal.StatusCode == StatusCodes.Status503ServiceUnavailable)
        {
            response.Headers.RetryAfter = Math.Ceiling(_server.Options.RetryAfter.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        }

        response.ContentType = "text/plain; charset=utf-8";
        response.Headers.CacheControl = "no-store";
        await response.WriteAsync(refusal.Sentence + "\n", context.RequestAborted).ConfigureAwait(false);
    }
}

/// <summary>The ways to a topic, as values of a metric's attribute.</summary>
internal static class FeedWay
{
    public const string Polling = "polling";
    public const string LongPolling = "long_polling";
    public const string ServerSentEvents = "server_sent_events";
    public const string WebSocket = "websocket";
    public const string Publish = "publish";
}
