using System.Net;
using Duologue.EngineIo;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue.Client.Sessions;

/// <summary>Opens sessions over Engine.IO v4 from the client's side: by a polled request, or by a WebSocket.</summary>
internal static class SessionConnector
{
    // An open packet is some 150 bytes; the packets behind it are few, and no message is larger than the option lets it.
    private const int LongestOpening = 64 * 1024;

    /// <summary>Opens a session on polling.</summary>
    /// <exception cref="HandshakeException">None came about.</exception>
    public static async Task<OpenedConversation> OpenPolledAsync(Uri uri, Transport kind, bool upgrades, ConnectOptions options, CancellationToken cancellationToken)
    {
        ILogger logger = options.LoggerFactory?.CreateLogger("Duologue.Client") ?? NullLogger.Instance;
        using var timeout = new CancellationTokenSource(options.ConnectTimeout, options.TimeProvider);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        SessionRequests? requests = new(uri, options);
        try
        {
            using HttpResponseMessage response = await requests.GetAsync(kind == Transport.Polling, stop.Token).ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                string body = await HandshakeFailures.ReadBodyAsync(response.Content, stop.Token).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                throw HandshakeFailures.SessionRefused(uri, response, body);
            }

            (OpenPacket open, byte[] behind) = await ReadOpeningAsync(uri, response, options, stop.Token).ConfigureAwait(false);
            requests.SessionId = open.Sid;
            var polling = new ClientPolling(requests, open, behind, kind, options)
            {
                HeldInVain = options.Transports.HasFlag(Transports.Polling) ? () => TransportMemory.Shared.Remember(uri, Transport.Polling, options.TimeProvider) : null,
            };
            requests = null;
            logger.SessionOpened(WebSocketUri.Display(uri), kind);
            return new OpenedSession(uri, options, logger, open, polling) { Upgrades = upgrades && open.OffersWebSocket };
        }
        catch (HandshakeException failure)
        {
            throw Told(logger, failure);
        }
        catch (OperationCanceledException error) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Told(logger, HandshakeFailures.TimedOut(uri, options.ConnectTimeout, requests!.Progress.WaitingFor, error));
        }
        catch (OperationCanceledException error)
        {
            throw Cancelled(uri, error, cancellationToken);
        }
        catch (HttpRequestException error)
        {
            throw Told(logger, HandshakeFailures.Failed(uri, error, options));
        }
        catch (IOException error)
        {
            throw Told(logger, HandshakeFailures.Failed(uri, error, options));
        }
        catch (NotSupportedException error)
        {
            throw Told(logger, HandshakeFailures.Failed(uri, error));
        }
        finally
        {
            requests?.Dispose();
        }
    }

    /// <summary>Opens a session on a WebSocket.</summary>
    /// <exception cref="HandshakeException">None came about.</exception>
    public static async Task<OpenedConversation> OpenSocketAsync(Uri uri, ConnectOptions options, CancellationToken cancellationToken)
    {
        ILogger logger = options.LoggerFactory?.CreateLogger("Duologue.Client") ?? NullLogger.Instance;
        using var timeout = new CancellationTokenSource(options.ConnectTimeout, options.TimeProvider);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        ClientSocket socket = await ConnectSocketAsync(uri, null, options, cancellationToken).ConfigureAwait(false);
        try
        {
            OpenPacket open = await socket.Opened.WaitAsync(stop.Token).ConfigureAwait(false);
            logger.SessionOpened(WebSocketUri.Display(uri), Transport.WebSocket);
            return new OpenedSession(uri, options, logger, open, socket);
        }
        catch (OperationCanceledException error) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            socket.Socket.Abort();
            throw Told(logger, HandshakeFailures.TimedOut(uri, options.ConnectTimeout, $"the session's first packet from {uri.Authority}", error));
        }
        catch (OperationCanceledException error)
        {
            socket.Socket.Abort();
            throw Cancelled(uri, error, cancellationToken);
        }
        catch (IOException error)
        {
            throw Told(logger, HandshakeFailures.NotASession(uri, error.Message, error));
        }
    }

    // By the caller's token, whichever of ours it came through.
    private static OperationCanceledException Cancelled(Uri uri, OperationCanceledException error, CancellationToken cancellationToken) =>
        new($"Connecting to {WebSocketUri.Display(uri)} was cancelled.", error, cancellationToken);

    // As of a WebSocket that did not open.
    private static HandshakeException Told(ILogger logger, HandshakeException failure)
    {
        logger.ConnectFailed(failure.Message, failure.InnerException);
        return failure;
    }

    /// <summary>Makes the WebSocket of a session.</summary>
    /// <param name="uri">The application's URI.</param>
    /// <param name="sessionId">The session that it is to take over; null to open one.</param>
    /// <param name="options">The options of the connect call.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="HandshakeException">None came about.</exception>
    public static async Task<ClientSocket> ConnectSocketAsync(Uri uri, string? sessionId, ConnectOptions options, CancellationToken cancellationToken)
    {
        // A packet has a byte before the message, and a rate is for messages: the session's connection keeps to the limits.
        ConnectOptions socketOptions = options with
        {
            Subprotocols = [],
            Compression = Compression.Off,
            KeepAliveInterval = Timeout.InfiniteTimeSpan,
            MaxMessageSize = (int)Math.Min(int.MaxValue, options.MaxMessageSize + 1L),
            MaxMessagesPerSecond = 0,
        };
        using var attempt = new HandshakeAttempt(SessionUri.Socket(uri, sessionId), socketOptions, cancellationToken);
        OpenedWebSocket opened = await attempt.RunAsync().ConfigureAwait(false);
        var socket = new ClientSocket(options.MaxSessionSilence);
        opened.Start(socket, ConnectionObserver.None, connection => socket.Socket = connection);
        return socket;
    }

    private static async Task<(OpenPacket Open, byte[] Behind)> ReadOpeningAsync(Uri uri, HttpResponseMessage response, ConnectOptions options, CancellationToken cancellationToken)
    {
        Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var packets = new PayloadReader(body, LongestOpening);
        try
        {
            bool more = await packets.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (!OpenPacket.TryRead(packets.IsTooLong ? [] : packets.Packet, options.MaxSessionSilence, out OpenPacket? open, out string? flaw))
            {
                throw HandshakeFailures.NotASession(uri, $"The server's answer cannot be used. {flaw}", null);
            }

            var behind = new MemoryStream();
            while (more)
            {
                more = await packets.ReadAsync(cancellationToken).ConfigureAwait(false);
                if (packets.IsTooLong || behind.Length + packets.Packet.Length > LongestOpening + (4L * options.MaxMessageSize / 3))
                {
                    throw HandshakeFailures.NotASession(uri, "The answer that opens the session is too long.", null);
                }

                behind.Write(packets.Packet);
                if (more)
                {
                    behind.WriteByte(PacketReader.Separator);
                }
            }

            return (open, behind.ToArray());
        }
        finally
        {
            packets.Release();
        }
    }
}
