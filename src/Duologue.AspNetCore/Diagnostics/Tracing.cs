using System.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore;

/// <summary>
/// The server's activities. <c>duologue.connect</c> covers the opening handshake and belongs to the request's trace. What comes after may last for days, and a
/// trace of days is of no use to anybody: <c>duologue.conversation</c>, and the calls of a handler class where an endpoint asks for them, are
/// the roots of their own traces and only link to the request's, as SignalR does it. No conversation runs under the request's activity.
/// </summary>
internal static class Tracing
{
    public const string SourceName = "Duologue.AspNetCore";

    private const string Route = "http.route";

    // A property of a call's activity: what it waits for.
    private const string Until = "duologue.until";

    private static readonly ActivitySource Source = new(SourceName);

    public static bool HasListeners => Source.HasListeners();

    /// <summary>The opening handshake: below the request's activity, or, where ASP.NET Core has made none, in the trace that the request names.</summary>
    public static Activity? StartConnect(HttpContext context, string route)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        Activity? activity = Activity.Current is not null ? Source.StartActivity("duologue.connect", ActivityKind.Internal) : StartRoot(context);
        if (activity is { IsAllDataRequested: true })
        {
            activity.DisplayName = $"duologue.connect {route}";
            activity.SetTag(Route, route);
            activity.SetTag("network.protocol.name", "websocket");
        }

        return activity;
    }

    public static void Connected(Activity? activity, WebSocketConnection connection)
    {
        if (activity is not null)
        {
            Describe(activity, connection);
        }
    }

    public static void Refused(Activity? activity, in Refusal refusal)
    {
        if (activity is not null)
        {
            activity.SetTag(TelemetryNames.ErrorType, refusal.Reason.Name());
            activity.SetStatus(ActivityStatusCode.Error, refusal.LoggedSentence);
        }
    }

    /// <summary>What later activities link to; default if nobody records the request.</summary>
    public static ActivityContext ContextOf(Activity? connect) =>
        (connect ?? Activity.Current) is { Recorded: true } recorded ? recorded.Context : default;

    /// <summary>The conversation as a whole, made at its end with its true start: while it runs it costs nothing.</summary>
    public static void Conversation(WebSocketConnection connection, string route, CloseInfo info, DateTimeOffset end, TimeSpan duration)
    {
        if (!Source.HasListeners())
        {
            return;
        }

        Activity? around = Activity.Current;
        Activity.Current = null;
        try
        {
            using Activity? activity = Source.StartActivity(ActivityKind.Server, default, null, LinksOf(connection), end - duration, "duologue.conversation");
            if (activity is null)
            {
                return;
            }

            activity.DisplayName = $"duologue.conversation {route}";
            activity.SetTag(Route, route);
            Describe(activity, connection);
            activity.SetTag(TelemetryNames.CloseCause, TelemetryNames.Of(info.Cause));
            activity.SetTag(TelemetryNames.CloseCode, (int)info.Code);
            if (info.Violation is { } violation)
            {
                activity.SetTag(TelemetryNames.Violation, TelemetryNames.Of(violation));
            }

            if (info.Cause == CloseCause.HandlerFailed)
            {
                // As with HTTP's 5xx and 4xx: an error is what our side did wrong, not what a peer did.
                activity.SetTag(TelemetryNames.ErrorType, TelemetryNames.Of(info.Cause));
                activity.SetStatus(ActivityStatusCode.Error);
            }

            activity.SetEndTime(end.UtcDateTime);
        }
        finally
        {
            Activity.Current = around;
        }
    }

    /// <summary>One call of a handler class. The caller sees to it that no activity is current, so that this is a root.</summary>
    public static Activity? StartCall(string name, ActivityKind kind, WebSocketConnection connection, string route)
    {
        Debug.Assert(Activity.Current is null, "A handler's call belongs to no other trace.");
        Activity? activity = Source.StartActivity(kind, default, null, LinksOf(connection), default, name);
        if (activity is null)
        {
            return null;
        }

        if (connection.Owner is TracedConnectionState traced)
        {
            foreach ((string key, string? value) in traced.Baggage)
            {
                activity.AddBaggage(key, value);
            }
        }

        activity.DisplayName = $"{name} {route}";
        activity.SetTag(Route, route);
        Describe(activity, connection);
        return activity;
    }

    /// <summary>The call that is being traced, if one is, lasts until this is done, too.</summary>
    public static void Extend(Task until)
    {
        if (Activity.Current is { } activity && activity.Source == Source)
        {
            activity.SetCustomProperty(Until, until);
        }
    }

    /// <summary>The call has returned.</summary>
    public static void EndCall(Activity? activity)
    {
        if (activity?.GetCustomProperty(Until) is Task { IsCompletedSuccessfully: false } until)
        {
            _ = EndAsync(activity, until);
            return;
        }

        activity?.Dispose();
    }

    public static void Failed(Activity? activity, Exception exception)
    {
        if (activity is not null)
        {
            activity.SetTag(TelemetryNames.ErrorType, exception.GetType().FullName);
            activity.SetStatus(ActivityStatusCode.Error, exception.Message);
            activity.AddException(exception);
        }
    }

    private static async Task EndAsync(Activity activity, Task until)
    {
        using (activity)
        {
            try
            {
                await until.ConfigureAwait(false);
            }
#pragma warning disable CA1031 // Whoever owes it tells of it; here it is but noted.
            catch (Exception error)
#pragma warning restore CA1031
            {
                Failed(activity, error);
            }
        }
    }

    // ASP.NET Core reads these headers, too, but only if somebody listens to it or logs.
    private static Activity? StartRoot(HttpContext context)
    {
        DistributedContextPropagator propagator = DistributedContextPropagator.Current;
        propagator.ExtractTraceIdAndState(context.Request.Headers, Read, out string? traceParent, out string? traceState);
        _ = ActivityContext.TryParse(traceParent, traceState, isRemote: true, out ActivityContext parent);
        Activity? activity = Source.StartActivity("duologue.connect", ActivityKind.Server, parent);
        if (activity is not null && propagator.ExtractBaggage(context.Request.Headers, Read) is { } baggage)
        {
            foreach ((string key, string? value) in baggage)
            {
                activity.AddBaggage(key, value);
            }
        }

        return activity;
    }

    private static void Read(object? carrier, string name, out string? value, out IEnumerable<string>? values)
    {
        value = ((IHeaderDictionary)carrier!)[name];
        values = null;
    }

    private static ActivityLink[]? LinksOf(WebSocketConnection connection) =>
        connection.Request?.TraceContext is { } context && context != default ? [new ActivityLink(context)] : null;

    private static void Describe(Activity activity, WebSocketConnection connection)
    {
        activity.SetTag(TelemetryNames.ConnectionId, connection.Id);
        activity.SetTag(TelemetryNames.Transport, TelemetryNames.Of(connection.Transport).Value);
        if (connection.Subprotocol is not null)
        {
            activity.SetTag(TelemetryNames.Subprotocol, connection.Subprotocol);
        }
    }
}
