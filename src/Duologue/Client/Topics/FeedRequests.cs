using System.Net;
using System.Net.Http.Headers;

namespace Duologue.Client;

/// <summary>Sends requests to the topics of a server, over connections that are kept and shared between them.</summary>
internal sealed class FeedRequests : IDisposable
{
    private readonly FeedAddress _address;
    private readonly TopicClientOptions _options;
    private readonly HttpMessageInvoker _invoker;

    public FeedRequests(FeedAddress address, TopicClientOptions options)
    {
        (_address, _options) = (address, options);
        ConnectOptions connect = options.Connect;
        SocketsHttpHandler handler = HandshakeHandler.Create(connect);
        handler.ConnectTimeout = connect.ConnectTimeout;
        HandshakeHandler.ConnectBy(handler, connect, progress: null);
        _invoker = new HttpMessageInvoker(handler);
    }

    private TimeProvider Time => _options.Connect.TimeProvider;

    /// <summary>The largest page that is read: escapes and Base64 make it larger than the messages in it, of which a server puts 1 MiB in one, or a single larger one.</summary>
    public static long LargestPage(ConnectOptions options) => Math.Min((8L * options.MaxMessageSize) + (8L * 1024 * 1024), Array.MaxLength / 2);

    /// <summary>A subscription ends: what the server says of its topic is too large, and does not say where to go on behind it.</summary>
    public static TopicException TooLarge(string topic, ConnectOptions options) =>
        new("too_large", $"What the server says of {topic} is larger than the {LargestPage(options)} bytes that this client reads, 8 times MaxMessageSize and 8 MiB, and there is no place known behind it. Raise MaxMessageSize in the client's Connect.", null);

    public void Dispose() => _invoker.Dispose();

    /// <summary>Asks for a page. Completes when all of it is there.</summary>
    /// <param name="topic">The topic.</param>
    /// <param name="after">Behind which place.</param>
    /// <param name="wait">How long the request may be held.</param>
    /// <param name="isSingle">Whether one message is asked for, and not as many as the server gives.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="TopicException">The server refuses.</exception>
    public async Task<FeedMessage> PollAsync(string topic, string after, TimeSpan wait, bool isSingle, CancellationToken cancellationToken)
    {
        string parameters = $"after={Uri.EscapeDataString(after)}";
        parameters = wait > TimeSpan.Zero ? FormattableString.Invariant($"{parameters}&wait={wait.TotalSeconds:0.###}") : parameters;
        parameters = isSingle ? parameters + "&limit=1" : parameters;
        using HttpRequestMessage request = await MakeAsync(HttpMethod.Get, topic, parameters, cancellationToken).ConfigureAwait(false);
        using Limit limit = LimitOf(wait, cancellationToken);
        using HttpResponseMessage response = await SendAsync(request, limit.Token).ConfigureAwait(false);
        return await ReadPageAsync(response, topic, limit, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Publishes, and gives the cursor.</summary>
    /// <exception cref="TopicException">The server refuses.</exception>
    public async Task<string> PublishAsync(PendingPublish publish, CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = await MakeAsync(HttpMethod.Post, publish.Topic, "", cancellationToken).ConfigureAwait(false);
        request.Content = new ByteArrayContent(publish.Data);
        request.Content.Headers.ContentType = publish.Kind switch
        {
            PublishKind.Text => new MediaTypeHeaderValue("text/plain", "utf-8"),
            PublishKind.Json => new MediaTypeHeaderValue("application/json"),
            _ => new MediaTypeHeaderValue("application/octet-stream"),
        };
        request.Headers.TryAddWithoutValidation("Idempotency-Key", publish.Key);
        using Limit limit = LimitOf(TimeSpan.Zero, cancellationToken);
        using HttpResponseMessage response = await SendAsync(request, limit.Token).ConfigureAwait(false);
        FeedMessage answer = await ReadPageAsync(response, publish.Topic, limit, cancellationToken).ConfigureAwait(false);
        return answer.Id ?? throw new System.Text.Json.JsonException("The answer to a publish has no id.");
    }

    /// <summary>Opens a stream of events. The answer is the caller's to dispose.</summary>
    /// <exception cref="TopicException">The server refuses.</exception>
    public async Task<HttpResponseMessage> StreamAsync(string topic, string after, CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = await MakeAsync(HttpMethod.Get, topic, $"after={Uri.EscapeDataString(after)}", cancellationToken).ConfigureAwait(false);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        using Limit limit = LimitOf(TimeSpan.Zero, cancellationToken);
        HttpResponseMessage response = await SendAsync(request, limit.Token).ConfigureAwait(false);
        if (response.Content.Headers.ContentType?.MediaType == "text/event-stream")
        {
            return response;
        }

        response.Dispose();
        throw new HttpRequestException(HttpRequestError.InvalidResponse, "The answer is no stream of events.");
    }

    private async Task<HttpRequestMessage> MakeAsync(HttpMethod method, string topic, string parameters, CancellationToken cancellationToken)
    {
        ConnectOptions connect = await _options.PrepareAsync(cancellationToken).ConfigureAwait(false);
        var request = new HttpRequestMessage(method, _address.Of(topic, parameters)) { Version = connect.HttpVersion, VersionPolicy = connect.HttpVersionPolicy };
        foreach ((string name, string value) in connect.Headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        if (connect.Origin is not null)
        {
            request.Headers.TryAddWithoutValidation("Origin", connect.Origin);
        }

        request.Headers.Authorization ??= WebSocketUri.Authorization(_address.Origin);
        return request;
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        HttpResponseMessage response = await _invoker.SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.OK)
        {
            return response;
        }

        using (response)
        {
            string sentence = (await HandshakeFailures.ReadBodyAsync(response.Content, cancellationToken).ConfigureAwait(false)).Trim();
            sentence = sentence.Length == 0 ? "." : $": {Protocol.Handshake.PeerText.Quote(sentence)}";
            string hint = response.StatusCode == HttpStatusCode.NotFound ? " The URI of the client is that of MapTopics, without a topic's name." : "";
            string code = response.StatusCode switch
            {
                HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge or HttpStatusCode.UnsupportedMediaType => "bad_request",
                HttpStatusCode.Forbidden => "forbidden",
                _ => "status",
            };
            throw new TopicException(code, $"The server answered {(int)response.StatusCode}{sentence}{hint}", null)
            {
                StatusCode = response.StatusCode,
                RetryAfter = [.. response.Headers.TryGetValues("Retry-After", out IEnumerable<string>? values) ? values : []],
            };
        }
    }

    private async Task<FeedMessage> ReadPageAsync(HttpResponseMessage response, string topic, Limit limit, CancellationToken stop)
    {
        Stream body = await response.Content.ReadAsStreamAsync(limit.Token).ConfigureAwait(false);
        return await PageReader.ReadAsync(body, LargestPage(_options.Connect), topic, limit.Renew, limit.Token, stop).ConfigureAwait(false);
    }

    // An answer, and each piece of it, may take as long as connecting may, the first beyond the time for which it is asked to be held.
    private Limit LimitOf(TimeSpan held, CancellationToken cancellationToken)
    {
        TimeSpan most = _options.Connect.ConnectTimeout;
        return new Limit(Time, most == Timeout.InfiniteTimeSpan ? most : held + most, most, cancellationToken);
    }

    /// <summary>A token that is cancelled by another one, or when nothing has come for a time.</summary>
    private sealed class Limit : IDisposable
    {
        private readonly CancellationTokenSource _time;
        private readonly CancellationTokenSource _either;
        private readonly TimeSpan _piece;

        public Limit(TimeProvider time, TimeSpan limit, TimeSpan piece, CancellationToken cancellationToken)
        {
            _piece = piece;
            _time = new CancellationTokenSource(limit, time);
            _either = CancellationTokenSource.CreateLinkedTokenSource(_time.Token, cancellationToken);
        }

        public CancellationToken Token => _either.Token;

        /// <summary>Something has come: the next piece has its time, too. How much may come is limited, so this ends.</summary>
        public void Renew() => _time.CancelAfter(_piece);

        public void Dispose()
        {
            _either.Dispose();
            _time.Dispose();
        }
    }
}
