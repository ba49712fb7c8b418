using System.Net;
using System.Net.Http.Headers;
using Duologue.Protocol.Handshake;

namespace Duologue.Client.Sessions;

/// <summary>The HTTP requests of one polled session: one GET and one POST at a time, by the options of the connect call.</summary>
internal sealed class SessionRequests : IDisposable
{
    private static readonly MediaTypeHeaderValue Text = new("text/plain") { CharSet = "UTF-8" };

    private readonly Uri _uri;
    private readonly ConnectOptions _options;
    private readonly HttpMessageInvoker _invoker;
    private readonly bool _isShared;
    private long _count;

    public SessionRequests(Uri uri, ConnectOptions options)
    {
        _uri = uri;
        _options = options;
        Progress = new HandshakeProgress(uri, $"the answer of {uri.Authority}");
        _isShared = options.Pool is not null && options.HttpVersion == HttpVersion.Version20;
        _invoker = _isShared ? options.Pool!.GetInvoker(options) : new HttpMessageInvoker(CreateHandler(options, Progress));
    }

    /// <summary>How far the request that opens the session has come.</summary>
    public HandshakeProgress Progress { get; }

    /// <summary>The session that the requests belong to; null until it is open.</summary>
    public string? SessionId { get; set; }

    /// <summary>Asks for packets. The answer's body is not read yet; whoever has the answer disposes it.</summary>
    /// <param name="asksOnly">The server is not to hold its answer until it has packets.</param>
    /// <param name="cancellationToken">Drops the request, which ends the session.</param>
    public Task<HttpResponseMessage> GetAsync(bool asksOnly, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, null, asksOnly, cancellationToken);

    /// <summary>Gives the server packets.</summary>
    /// <exception cref="SessionRequestException">The server refuses them.</exception>
    public async Task PostAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        using var content = new ReadOnlyMemoryContent(payload);
        content.Headers.ContentType = Text;
        using HttpResponseMessage response = await SendAsync(HttpMethod.Post, content, asksOnly: false, cancellationToken).ConfigureAwait(false);
        await ThrowIfRefusedAsync(response, cancellationToken).ConfigureAwait(false);
    }

    /// <exception cref="SessionRequestException">The answer is no 200: the session is over.</exception>
    public static async Task ThrowIfRefusedAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.StatusCode != HttpStatusCode.OK)
        {
            string body = await HandshakeFailures.ReadBodyAsync(response.Content, cancellationToken).ConfigureAwait(false);
            throw new SessionRequestException(response.StatusCode, body);
        }
    }

    /// <summary>Ends the TCP connections, unless they are shared.</summary>
    public void Dispose()
    {
        if (!_isShared)
        {
            _invoker.Dispose();
        }
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, HttpContent? content, bool asksOnly, CancellationToken cancellationToken)
    {
        long number = Interlocked.Increment(ref _count);
        using var request = new HttpRequestMessage(method, SessionUri.Polled(_uri, SessionId, number, asksOnly))
        {
            Version = _options.HttpVersion,
            VersionPolicy = _options.HttpVersionPolicy,
            Content = content,
        };
        RequestHeaders.Add(request, _uri, _options);
        if (SessionId is null)
        {
            Progress.Follow(request);
        }

        return await _invoker.SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    private static SocketsHttpHandler CreateHandler(ConnectOptions options, HandshakeProgress progress)
    {
        SocketsHttpHandler handler = HandshakeHandler.Create(options);
        if (!handler.UseCookies)
        {
            // A balancer in front of several nodes finds the session's own by a cookie, which is then nobody else's business.
            handler.UseCookies = true;
            handler.CookieContainer = new CookieContainer();
        }

        HandshakeHandler.ConnectBy(handler, options, progress);
        return handler;
    }
}

/// <summary>A server, or a proxy on the way, refused a request of a session that is open.</summary>
internal sealed class SessionRequestException(HttpStatusCode status, string body)
    : IOException($"The server answered {(int)status} to a request of the session{(body.Length == 0 ? "." : $": {PeerText.Quote(body.Trim())}")}")
{
    public HttpStatusCode Status => status;
}
