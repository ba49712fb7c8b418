using System.Diagnostics;
using System.Net;
using System.Net.Security;
using Duologue.Protocol.Handshake;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue.Client;

/// <summary>
/// One opening handshake through <see cref="SocketsHttpHandler"/>, which brings proxies, credentials, cookies and TLS.
/// It has a handler of its own, because options differ from connection to connection and nothing is pooled: a 101 takes its
/// TCP connection along, and disposing the handler then does not touch it.
/// </summary>
internal sealed class HandshakeAttempt : IDisposable
{
    private readonly Uri _uri;
    private readonly ConnectOptions _options;
    private readonly ILogger _logger;
    private readonly ClientHandshake _handshake;
    private readonly HandshakeRecorder? _recorder;
    private readonly HttpMessageInvoker _invoker;
    private readonly CancellationToken _callerToken;
    private readonly CancellationTokenSource _timeout;
    private readonly CancellationTokenSource _stop;
    private readonly CancellationToken _stopToken;
    private readonly Lock _lock = new();
    private readonly List<Stream> _streams = [];
    private bool _failed;
    private bool _reported;

    // What the attempt is waiting for, to be named if it takes too long.
    private volatile string _waitingFor;

    public HandshakeAttempt(Uri uri, ConnectOptions options, CancellationToken cancellationToken)
    {
        _uri = uri;
        _options = options;
        _logger = options.LoggerFactory?.CreateLogger("Duologue.Client") ?? NullLogger.Instance;
        _handshake = new ClientHandshake(options.Subprotocols, []);
        _recorder = options.OnHandshake is null ? null : new HandshakeRecorder(options.MaxResponseHeaderKibibytes * 1024);
        _waitingFor = "the proxy settings";
        _callerToken = cancellationToken;
        _timeout = new CancellationTokenSource(options.ConnectTimeout, options.TimeProvider);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _timeout.Token);
        _stopToken = _stop.Token;
        _invoker = new HttpMessageInvoker(CreateHandler());
    }

    public void Dispose()
    {
        _invoker.Dispose();
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
            OpenedWebSocket opened = await ExchangeAsync().ConfigureAwait(false);
            Report();
            _logger.Connected(WebSocketUri.Display(_uri), Stopwatch.GetElapsedTime(start).TotalMilliseconds, opened.Subprotocol, opened.Extensions);
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

    private async Task<OpenedWebSocket> ExchangeAsync()
    {
        using HttpRequestMessage request = CreateRequest();
        HttpResponseMessage response = await _invoker.SendAsync(request, _stopToken).ConfigureAwait(false);
        bool keep = false;
        try
        {
            ClientHandshakeVerdict verdict = _handshake.Judge(Describe(response));
            if (!verdict.IsAccepted)
            {
                throw await RefusedAsync(verdict, response).ConfigureAwait(false);
            }

            // The response is its stream from here on: whoever disposes the stream has disposed it.
            Stream stream = await response.Content.ReadAsStreamAsync(_stopToken).ConfigureAwait(false);
            keep = true;
            return new OpenedWebSocket(stream, verdict.Subprotocol, string.Join(", ", verdict.Extensions), _options, _logger);
        }
        finally
        {
            if (!keep)
            {
                response.Dispose();
            }
        }
    }

    private HttpRequestMessage CreateRequest()
    {
        // ws and wss stay in the URI: by them the handler knows to tunnel through proxies, for ws as well (RFC 6455 §4.1).
        var request = new HttpRequestMessage(HttpMethod.Get, _uri)
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        foreach ((string name, string value) in _handshake.RequestHeaders)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        if (_options.Origin is not null)
        {
            request.Headers.TryAddWithoutValidation("Origin", _options.Origin);
        }

        foreach ((string name, string value) in _options.Headers)
        {
            bool added = request.Headers.TryAddWithoutValidation(name, value);
            Debug.Assert(added, "ConnectOptions.Validate lets only request headers through.");
        }

        if (!request.Headers.NonValidated.Contains("Authorization"))
        {
            request.Headers.Authorization = WebSocketUri.Authorization(_uri);
        }

        return request;
    }

    private SocketsHttpHandler CreateHandler()
    {
        var handler = new SocketsHttpHandler
        {
            // RFC 6455 §4.1 leaves redirects to the client; browsers follow none, lest a page be led elsewhere.
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = Timeout.InfiniteTimeSpan,
            Credentials = _options.Credentials,
            MaxResponseHeadersLength = _options.MaxResponseHeaderKibibytes,
            UseCookies = _options.Cookies is not null,
            UseProxy = _options.UseProxy,
            Proxy = _options.Proxy,
            SslOptions = CreateTlsOptions(),
            ConnectCallback = ConnectAsync,
            PlaintextStreamFilter = FilterAsync,
        };
        if (_options.Cookies is not null)
        {
            handler.CookieContainer = _options.Cookies;
        }

        return handler;
    }

    // The handler copies the options before it changes them.
    private SslClientAuthenticationOptions CreateTlsOptions() => _options.TlsOptions ?? new SslClientAuthenticationOptions
    {
        ClientCertificates = _options.ClientCertificates,
        RemoteCertificateValidationCallback = _options.RemoteCertificateValidationCallback,
    };

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        // The handler's own token outlives a request that was given up: ours ends with the attempt.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopToken);
        DnsEndPoint target = context.DnsEndPoint;
        _waitingFor = $"a TCP connection to {target.Host}:{target.Port}";
        var racer = new ConnectionRacer(_options.Resolve, _options.Connect, _options.TimeProvider, _logger);
        Stream stream = await racer.ConnectAsync(target.Host, target.Port, stop.Token).ConfigureAwait(false);
        bool direct = target.Host == _uri.IdnHost.Trim('[', ']') && target.Port == _uri.Port;
        _waitingFor = direct ? $"TLS with {target.Host}:{target.Port}" : $"the proxy {target.Host}:{target.Port}";
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
        if (context.InitialRequestMessage.Method != HttpMethod.Connect)
        {
            _waitingFor = $"the answer of {_uri.Authority}";
        }

        return ValueTask.FromResult(_recorder?.Wrap(context.PlaintextStream) ?? context.PlaintextStream);
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

    private static ClientHandshakeResponse Describe(HttpResponseMessage response)
    {
        return new ClientHandshakeResponse
        {
            StatusCode = (int)response.StatusCode,
            ReasonPhrase = response.ReasonPhrase,
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
        // A wrong 101 has no body: what follows would be frames.
        string body = response.StatusCode == HttpStatusCode.SwitchingProtocols
            ? ""
            : await HandshakeFailures.ReadBodyAsync(response.Content, _stopToken).ConfigureAwait(false);
        _callerToken.ThrowIfCancellationRequested();
        return HandshakeFailures.Refused(_uri, verdict, response, body);
    }

    /// <summary>What the application is told; null if the exception is no failure of the handshake.</summary>
    private HandshakeException? Translate(Exception e) => e switch
    {
        HandshakeException failure => failure,
        _ when _timeout.IsCancellationRequested => HandshakeFailures.TimedOut(_uri, _options.ConnectTimeout, _waitingFor, e),
        HttpRequestException http => HandshakeFailures.Failed(_uri, http, _options),
        IOException io => HandshakeFailures.Failed(_uri, io),
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
