using System.Diagnostics;

namespace Duologue.Client;

/// <summary>Opens WebSockets from the client's side: the handshake only. Each attempt is timed, counted and traced here.</summary>
internal static class WebSocketConnector
{
    /// <summary>Makes one attempt.</summary>
    /// <param name="uri">A <c>ws</c> or <c>wss</c> URI, as normalized.</param>
    /// <param name="options">How; validated by whoever took them from the application.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="HandshakeException">No conversation came about.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled first.</exception>
    public static Task<OpenedWebSocket> OpenAsync(Uri uri, ConnectOptions options, CancellationToken cancellationToken)
    {
        return MeasureAsync(uri, Transport.WebSocket, options, RunAsync, cancellationToken);

        async Task<OpenedWebSocket> RunAsync()
        {
            using var attempt = new HandshakeAttempt(uri, options, cancellationToken);
            return await attempt.RunAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Times, counts and traces an attempt over any transport.</summary>
    public static async Task<T> MeasureAsync<T>(Uri uri, Transport transport, ConnectOptions options, Func<Task<T>> attempt, CancellationToken cancellationToken)
        where T : OpenedConversation
    {
        ClientMetrics metrics = ClientMetrics.For(options);
        long start = options.TimeProvider.GetTimestamp();
        using Activity? activity = ClientTracing.StartConnect(uri);
        try
        {
            T opened = await attempt().ConfigureAwait(false);
            metrics.Connected(transport, options.TimeProvider.GetElapsedTime(start));
            ClientTracing.Connected(activity, opened);
            return opened;
        }
        catch (Exception e)
        {
            ConnectFailure failure = Classify(e, cancellationToken);
            metrics.Failed(transport, failure, options.TimeProvider.GetElapsedTime(start));
            ClientTracing.Failed(activity, failure, e.Message);
            throw;
        }
    }

    private static ConnectFailure Classify(Exception e, CancellationToken cancellationToken) => e switch
    {
        HandshakeException handshake => handshake.Failure,
        OperationCanceledException when cancellationToken.IsCancellationRequested => ConnectFailure.Cancelled,
        _ => ConnectFailure.Application,
    };
}
