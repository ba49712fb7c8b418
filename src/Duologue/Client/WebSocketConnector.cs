using System.Diagnostics;

namespace Duologue.Client;

/// <summary>Opens WebSockets from the client's side: the handshake only. Each attempt is timed, counted and traced here.</summary>
internal static class WebSocketConnector
{
    /// <summary>Makes one attempt.</summary>
    /// <param name="uri">A <c>ws</c> or <c>wss</c> URI; <c>http</c> and <c>https</c> mean the same.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ArgumentException">The URI or an option cannot be used.</exception>
    /// <exception cref="HandshakeException">No conversation came about.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled first.</exception>
    public static async Task<OpenedWebSocket> OpenAsync(Uri uri, ConnectOptions options, CancellationToken cancellationToken)
    {
        options.Validate();
        uri = WebSocketUri.Normalize(uri);
        ClientMetrics metrics = ClientMetrics.For(options);
        long start = options.TimeProvider.GetTimestamp();
        using Activity? activity = ClientTracing.StartConnect(uri);
        try
        {
            using var attempt = new HandshakeAttempt(uri, options, cancellationToken);
            OpenedWebSocket opened = await attempt.RunAsync().ConfigureAwait(false);
            metrics.Connected(options.TimeProvider.GetElapsedTime(start));
            ClientTracing.Connected(activity, opened);
            return opened;
        }
        catch (Exception e)
        {
            ConnectFailure failure = Classify(e, cancellationToken);
            metrics.Failed(failure, options.TimeProvider.GetElapsedTime(start));
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
