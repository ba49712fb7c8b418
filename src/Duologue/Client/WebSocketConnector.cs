namespace Duologue.Client;

/// <summary>Opens WebSockets from the client's side: the handshake only.</summary>
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
        using var attempt = new HandshakeAttempt(WebSocketUri.Normalize(uri), options, cancellationToken);
        return await attempt.RunAsync().ConfigureAwait(false);
    }
}
