using Duologue.Client.Sessions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue.Client;

/// <summary>Opens conversations from the client's side, over the first of the allowed transports that gets through.</summary>
internal static class ConversationConnector
{
    /// <summary>Opens a conversation.</summary>
    /// <param name="uri">A <c>ws</c> or <c>wss</c> URI; <c>http</c> and <c>https</c> mean the same.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ArgumentException">The URI or an option cannot be used.</exception>
    /// <exception cref="HandshakeException">No conversation came about.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled first.</exception>
    public static Task<OpenedConversation> OpenAsync(Uri uri, ConnectOptions options, CancellationToken cancellationToken)
    {
        options.Validate();
        uri = WebSocketUri.Normalize(uri);
        Transport? known = TransportMemory.Shared.Find(uri, options.TimeProvider);
        Transport[] order = Order(options, known);
        return order.Length == 1
            ? OpenAsync(uri, order[0], known, options, cancellationToken)
            : OpenFirstAsync(uri, order, known, options, cancellationToken);
    }

    /// <summary>The transports to try, first that which got through last.</summary>
    internal static Transport[] Order(ConnectOptions options, Transport? known)
    {
        Transports allowed = options.Transports;
        if (allowed.HasFlag(Transports.WebSocket) && options.Subprotocols.Count > 0)
        {
            // Engine.IO agrees on none: a conversation without it would be another than was asked for.
            return [Transport.WebSocket];
        }

        Transport[] preferred = options.PollingFirst
            ? [Transport.LongPolling, Transport.Polling, Transport.WebSocket]
            : [Transport.WebSocket, Transport.LongPolling, Transport.Polling];
        return [.. preferred.Where(transport => allowed.HasFlag(FlagOf(transport))).OrderBy(transport => transport == known ? 0 : 1)];
    }

    private static async Task<OpenedConversation> OpenFirstAsync(Uri uri, Transport[] order, Transport? known, ConnectOptions options, CancellationToken cancellationToken)
    {
        ILogger logger = options.LoggerFactory?.CreateLogger("Duologue.Client") ?? NullLogger.Instance;
        long start = options.TimeProvider.GetTimestamp();
        HandshakeException? first = null;
        foreach (Transport transport in order)
        {
            try
            {
                OpenedConversation opened = await OpenAsync(uri, transport, known, WithTime(options, start, isLast: transport == order[^1]), cancellationToken).ConfigureAwait(false);
                if (transport == Transport.WebSocket && !options.PollingFirst)
                {
                    // What has failed before was an accident, or is over. Of polling that says nothing: it opens, too, where a held request is cut.
                    TransportMemory.Shared.Forget(uri);
                    if (opened is OpenedWebSocket socket)
                    {
                        // As through a proxy that passes the upgrade on and no frame: that has failed, too, only later.
                        Transport next = order.First(static other => other != Transport.WebSocket);
                        socket.WasMute = () => TransportMemory.Shared.Remember(uri, next, options.TimeProvider);
                    }
                }
                else if (first is not null)
                {
                    TransportMemory.Shared.Remember(uri, transport, options.TimeProvider);
                }

                return opened;
            }
            catch (HandshakeException failure) when (MayBeTheTransport(failure))
            {
                if (transport == order[^1])
                {
                    throw first is null ? failure : HandshakeFailures.AllFailed(first, failure);
                }

                first ??= failure;
                logger.TransportPassedOver(WebSocketUri.Display(uri), transport, failure.Message);
            }
        }

        throw first!;
    }

    private static async Task<OpenedConversation> OpenAsync(Uri uri, Transport transport, Transport? known, ConnectOptions options, CancellationToken cancellationToken)
    {
        if (transport == Transport.WebSocket && !SessionUri.NamesEngineIo(uri))
        {
            return await WebSocketConnector.OpenAsync(uri, options, cancellationToken).ConfigureAwait(false);
        }

        // What failed a while ago is not tried again beside each session.
        bool upgrades = options.PollingFirst && options.Transports.HasFlag(Transports.WebSocket) && known is null;
        return await WebSocketConnector.MeasureAsync(
            uri,
            transport,
            options,
            () => transport == Transport.WebSocket
                ? SessionConnector.OpenSocketAsync(uri, options, cancellationToken)
                : SessionConnector.OpenPolledAsync(uri, transport, upgrades, options, cancellationToken),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A transport that is not the last gets half of the time, as what swallows a handshake never answers it.</summary>
    private static ConnectOptions WithTime(ConnectOptions options, long start, bool isLast)
    {
        if (options.ConnectTimeout == Timeout.InfiniteTimeSpan)
        {
            return options;
        }

        TimeSpan left = options.ConnectTimeout - options.TimeProvider.GetElapsedTime(start);
        TimeSpan time = isLast ? left : left / 2;
        return options with { ConnectTimeout = time > TimeSpan.FromMilliseconds(1) ? time : TimeSpan.FromMilliseconds(1) };
    }

    /// <summary>Whether another transport may get through where this one did not: no host, no TLS and no rights are the same for all.</summary>
    private static bool MayBeTheTransport(HandshakeException failure) => failure.Failure switch
    {
        ConnectFailure.NameResolution or ConnectFailure.Connection or ConnectFailure.Tls or ConnectFailure.Authentication => false,
        ConnectFailure.Status => (int)failure.StatusCode.GetValueOrDefault() is not (401 or 429 or 503),
        _ => true,
    };

    private static Transports FlagOf(Transport transport) => transport switch
    {
        Transport.WebSocket => Transports.WebSocket,
        Transport.LongPolling => Transports.LongPolling,
        _ => Transports.Polling,
    };
}
