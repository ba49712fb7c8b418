using System.Diagnostics;

namespace Duologue.AspNetCore;

/// <summary>
/// One activity per opening handshake, from the endpoint to the answer: it does not last as long as the connection. There is
/// none per message.
/// </summary>
internal static class Tracing
{
    public const string SourceName = "Duologue.AspNetCore";

    private static readonly ActivitySource Source = new(SourceName);

    public static Activity? StartConnect(string route)
    {
        Activity? activity = Source.StartActivity("duologue.connect", ActivityKind.Internal);
        activity?.SetTag("http.route", route);
        return activity;
    }

    public static void Connected(Activity? activity, WebSocketConnection connection)
    {
        if (activity is not null)
        {
            activity.SetTag("duologue.connection.id", connection.Id);
            activity.SetTag("duologue.subprotocol", connection.Subprotocol);
        }
    }

    public static void Refused(Activity? activity, in Refusal refusal)
    {
        if (activity is not null)
        {
            activity.SetTag("error.type", refusal.Reason.Name());
            activity.SetStatus(ActivityStatusCode.Error, refusal.LoggedSentence);
        }
    }
}
