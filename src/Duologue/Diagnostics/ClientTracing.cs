using System.Diagnostics;
using Duologue.Client;

namespace Duologue;

/// <summary>
/// One activity per attempt of a client to connect. The trace travels on to the server in the opening request, by
/// <see cref="DistributedContextPropagator.Current"/>, as in any request of <see cref="SocketsHttpHandler"/>. There is none per message.
/// </summary>
internal static class ClientTracing
{
    public const string SourceName = "Duologue";

    private static readonly ActivitySource Source = new(SourceName);

    public static Activity? StartConnect(Uri uri)
    {
        Activity? activity = Source.StartActivity("duologue.connect", ActivityKind.Client);
        if (activity is { IsAllDataRequested: true })
        {
            activity.SetTag("server.address", uri.IdnHost);
            activity.SetTag("server.port", uri.Port);
            activity.SetTag("url.scheme", uri.Scheme);
            activity.SetTag("network.protocol.name", "websocket");
        }

        return activity;
    }

    public static void Connected(Activity? activity, OpenedConversation opened)
    {
        if (activity is not null && opened.Subprotocol is not null)
        {
            activity.SetTag(TelemetryNames.Subprotocol, opened.Subprotocol);
        }
    }

    public static void Failed(Activity? activity, ConnectFailure failure, string sentence)
    {
        if (activity is not null)
        {
            activity.SetTag(TelemetryNames.ErrorType, TelemetryNames.Of(failure));
            activity.SetStatus(ActivityStatusCode.Error, sentence);
        }
    }
}
