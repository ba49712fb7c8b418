using System.Diagnostics;
using System.Net;
using Duologue.Carriers;
using Duologue.Protocol.Deflate;
using Duologue.Protocol.Handshake;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue.Client;

/// <summary>
/// One opening handshake, over HTTP/2, HTTP/1.1, or the one after the other. Over HTTP/1.1, and where no pool is given, it has a handler of its
/// own, because options differ from connection to connection and nothing is shared: what was opened keeps its TCP connection,
/// and disposing the handler then does not touch it.
/// </summary>
internal sealed class HandshakeAttempt : IDisposable
{
    private readonly Uri _uri;
    private readonly ConnectOptions _options;
    private readonly ILogger _logger;
    private readonly HandshakeRecorder? _recorder;
    private readonly HandshakeProgress _progress;
    private readonly CancellationToken _callerToken;
    private readonly CancellationTokenSource _timeout;
    private readonly CancellationTokenSource _stop;
    private readonly CancellationToken _stopToken;
    private readonly Lock _lock = new();
    private readonly List<Stream> _streams = [];
    private volatile HalfOpenStream? _below;
    private HttpMessageInvoker? _ownInvoker;
    private bool _failed;
    private bool _reported;

    public HandshakeAttempt(Uri uri, ConnectOptions options, CancellationToken cancellationToken)
    {
        _uri = uri;
        _options = options;
        _logger = options.LoggerFactory?.CreateLogger("Duologue.Client") ?? NullLogger.Instance;
        _recorder = options.OnHandshake is null ? null : new HandshakeRecorder(options.MaxResponseHeaderKibibytes * 1024);
        _progress = new HandshakeProgress(uri, "the proxy settings");
        _callerToken = cancellationToken;
        _timeout = new CancellationTokenSource(options.ConnectTimeout, options.TimeProvider);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _timeout.Token);
        _stopToken = _stop.Token;
    }

    public void Dispose()
    {
        _ownInvoker?.Dispose();
        _stop.Dispose();
        _timeout.Dispose();
    }

    /// <summary>Runs the handshake to its end. Once.</summary>
    public async Task<OpenedWebSocket> RunAsync()
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            _callerToken.ThrowIfCancellationRequested();
            OpenedWebSocket opened = await OpenAsync().ConfigureAwait(false);
            Report();
            _logger.Connected(WebSocketUri.Display(_uri), opened.HttpVersion, Stopwatch.GetElapsedTime(start).TotalMilliseconds, opened.Subprotocol, opened.Extensions);
            return opened;
        }
        catch (Exception e)
        {
            await CloseAllAsync().ConfigureAwait(false);
            Report();
            if (_callerToken.IsCancellationRequested && e is not HandshakeException)
            {
                _logger.ConnectCancelled(WebSocketUri.Display(_uri), Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                throw new OperationCanceledException($"Connecting to {WebSocketUri.Display(_uri)} was cancelled.", e, _callerToken);
            }

            if (Translate(e) is not { } failure)
            {
                throw;
            }

            _logger.ConnectFailed(failure.Message, failure.InnerException);
            throw failure;
        }
    }

    private async Task<OpenedWebSocket> OpenAsync()
    {
        var plan = HttpVersionPlan.For(_uri, _options.HttpVersion, _options.HttpVersionPolicy);
        if (plan.TriesHttp2)
        {
            try
            {
                return await ExchangeAsync(isHttp2: true, plan.MayUseHttp1).ConfigureAwait(false);
            }
            catch (Exception e) when (plan.MayUseHttp1 && HandshakeFailures.IsHttp2Refused(e))
            {
                _logger.HttpVersionLowered(WebSocketUri.Display(_uri), e.Message);
            }
        }

        return await ExchangeAsync(isHttp2: false, mayUseHttp1: true).ConfigureAwait(false);
    }

    private async Task<OpenedWebSocket> ExchangeAsync(bool isHttp2, bool mayUseHttp1)
    {
        // The key is new each time (RFC 6455 §4.1).
        var handshake = new ClientHandshake(_options.Subprotocols, Offers(_options.Compression)) { IsHttp2 = isHttp2 };
        using HttpRequestMessage request = CreateRequest(handshake, mayUseHttp1);
        HttpResponseMessage response = await SendAsync(request, isHttp2).ConfigureAwait(false);
        bool keep = false;
        try
        {
            ClientHandshakeVerdict verdict = handshake.Judge(Describe(_uri, response));
            if (!verdict.IsAccepted)
            {
                throw await RefusedAsync(verdict, response).ConfigureAwait(false);
            }

            // The response is its stream from here on: whoever disposes the stream has disposed it.
            Stream stream = await response.Content.ReadAsStreamAsync(_stopToken).ConfigureAwait(false);
            keep = true;
            DeflateAgreement? deflate = verdict.Deflate is { } answer ? DeflateNegotiation.Conclude(answer, _options.Compression) : null;
            return new OpenedWebSocket(stream, response.Version, verdict.Subprotocol, string.Join(", ", verdict.Extensions), deflate, _options, _logger)
            {
                Below = response.Version.Major == 1 ? _below : null,
            };
        }
        finally
        {
            if (!keep)
            {
                response.Dispose();
            }
        }
    }

    private Extension[] Offers(Compression compression)
    {
        if (compression.Mode == CompressionMode.Off)
        {
            return [];
        }

        if (ZLib.Missing is { } reason)
        {
            _logger.CompressionUnavailable(reason);
            return [];
        }

        return DeflateNegotiation.Offer(compression);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, bool isHttp2)
    {
        if (!isHttp2)
        {
            return await OwnInvoker().SendAsync(request, _stopToken).ConfigureAwait(false);
        }

        HttpMessageInvoker invoker = _options.Pool is null ? OwnInvoker() : _options.Pool.GetInvoker(_options);
        if (_options.Pool is not null)
        {
            // Unless a new connection is made, this is what remains.
            _progress.Asking();
        }

        string cookies = _recorder is null ? "" : _options.Cookies?.GetCookieHeader(_uri) ?? "";
        HttpResponseMessage? response = null;
        try
        {
            response = await invoker.SendAsync(request, _stopToken).ConfigureAwait(false);
            return response;
        }
        finally
        {
            // Heads of HTTP/1.1 are recorded as they pass; these are compressed.
            if (_recorder is not null && (response is not null || _progress.IsAsked && _stopToken.IsCancellationRequested))
            {
                _recorder.Add(new HandshakeTrace(FieldList.Write(request, cookies), response is null ? "" : FieldList.Write(response)));
            }
        }
    }

    private HttpMessageInvoker OwnInvoker()
    {
        if (_ownInvoker is null)
        {
            SocketsHttpHandler handler = HandshakeHandler.Create(_options);
            handler.ConnectCallback = ConnectAsync;
            handler.PlaintextStreamFilter = FilterAsync;
            _ownInvoker = new HttpMessageInvoker(handler);
        }

        return _ownInvoker;
    }

    private HttpRequestMessage CreateRequest(ClientHandshake handshake, bool mayUseHttp1)
    {
        // ws and wss stay in the URI: by them the handler knows to tunnel through proxies, for ws as well (RFC 6455 §4.1).
        var request = new HttpRequestMessage(handshake.IsHttp2 ? HttpMethod.Connect : HttpMethod.Get, _uri)
        {
            Version = handshake.IsHttp2 ? HttpVersion.Version20 : HttpVersion.Version11,
            // Over TLS this decides whether HTTP/1.1 is offered beside HTTP/2, so that a server without that can say so.
            VersionPolicy = handshake.IsHttp2 && mayUseHttp1 ? HttpVersionPolicy.RequestVersionOrLower : HttpVersionPolicy.RequestVersionExact,
        };
        _progress.Follow(request);
        if (handshake.IsHttp2)
        {
            request.Headers.Protocol = HandshakeHeaders.WebSocket;
        }

        foreach ((string name, string value) in handshake.RequestHeaders)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        RequestHeaders.Add(request, _uri, _options);
        return request;
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        // The handler's own token outlives a request that was given up: ours ends with the attempt.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopToken);
        Stream stream = await HandshakeHandler.ConnectAsync(context, _options, _logger, _progress, stop.Token).ConfigureAwait(false);
        lock (_lock)
        {
            if (!_failed)
            {
                _streams.Add(stream);
                return stream;
            }
        }

        await stream.DisposeAsync().ConfigureAwait(false);
        throw new OperationCanceledException(stop.Token);
    }

    // Called when TCP, TLS and tunnels are done, just before a request is written; once for a proxy's CONNECT and once for what goes through it.
    private ValueTask<Stream> FilterAsync(SocketsHttpPlaintextStreamFilterContext context, CancellationToken cancellationToken)
    {
        bool isTunnel = HandshakeHandler.IsTunnel(context.InitialRequestMessage);
        HandshakeHandler.ThrowIfHttp2IsRefused(context);
        if (!isTunnel)
        {
            _progress.Asking();
        }

        bool isText = isTunnel || context.NegotiatedHttpVersion == HttpVersion.Version11;
        if (!isText)
        {
            return ValueTask.FromResult(context.PlaintextStream);
        }

        Stream stream = context.PlaintextStream;
        if (!isTunnel)
        {
            // One request, one connection: the last that is made is the one that is upgraded.
            stream = _below = new HalfOpenStream(stream);
        }

        return ValueTask.FromResult(_recorder?.Wrap(stream) ?? stream);
    }

    // The handler may keep a half-made connection for seconds after its request was given up; here it ends at once.
    private async Task CloseAllAsync()
    {
        Stream[] streams;
        lock (_lock)
        {
            _failed = true;
            streams = [.. _streams];
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        foreach (Stream stream in streams)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static ClientHandshakeResponse Describe(Uri uri, HttpResponseMessage response)
    {
        return new ClientHandshakeResponse
        {
            StatusCode = (int)response.StatusCode,
            ReasonPhrase = response.ReasonPhrase,
            Location = WebSocketUri.DisplayTarget(uri, Lines("Location")),
            Upgrade = Lines(HandshakeHeaders.Upgrade),
            Connection = Lines(HandshakeHeaders.Connection),
            Accept = Lines(HandshakeHeaders.Accept),
            Subprotocol = Lines(HandshakeHeaders.Protocol),
            Extensions = Lines(HandshakeHeaders.Extensions),
        };

        IReadOnlyList<string> Lines(string name) => response.Headers.NonValidated.TryGetValues(name, out var values) ? [.. values] : [];
    }

    private async Task<HandshakeException> RefusedAsync(ClientHandshakeVerdict verdict, HttpResponseMessage response)
    {
        // A wrong 101 has no body: what follows would be frames. Nor has a 2xx to CONNECT (RFC 9110 §9.3.6), which is HTTP/2's.
        bool opensTunnel = response.StatusCode == HttpStatusCode.SwitchingProtocols || (response.Version.Major >= 2 && response.IsSuccessStatusCode);
        string body = opensTunnel
            ? ""
            : await HandshakeFailures.ReadBodyAsync(response.Content, _stopToken).ConfigureAwait(false);
        _callerToken.ThrowIfCancellationRequested();
        return HandshakeFailures.Refused(_uri, verdict, response, body);
    }

    /// <summary>What the application is told; null if the exception is no failure of the handshake.</summary>
    private HandshakeException? Translate(Exception e) => e switch
    {
        HandshakeException failure => failure,
        _ when _timeout.IsCancellationRequested => HandshakeFailures.TimedOut(_uri, _options.ConnectTimeout, _progress.WaitingFor, e),
        HttpRequestException http => HandshakeFailures.Failed(_uri, http, _options),
        IOException io => HandshakeFailures.Failed(_uri, io, _options),
        NotSupportedException unsupported => HandshakeFailures.Failed(_uri, unsupported),
        _ => null,
    };

    // On every way out, and once: a hook that throws ends the attempt like any other failure.
    private void Report()
    {
        if (_recorder is null || _reported)
        {
            return;
        }

        _reported = true;
        foreach (HandshakeTrace trace in _recorder.Collect())
        {
            _options.OnHandshake!(trace);
        }
    }
}
