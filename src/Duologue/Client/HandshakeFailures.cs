using System.Net;
using System.Text;
using Duologue.Protocol.Handshake;

namespace Duologue.Client;

/// <summary>Says in a sentence why no connection came about, and what to do.</summary>
internal static class HandshakeFailures
{
    private const int MaxBodySize = 1024;
    private const string NoHttp2 = "The server takes no WebSocket over HTTP/2 (RFC 8441)";
    private const string LowerVersion = "Set HttpVersion to 1.1, or over wss HttpVersionPolicy to RequestVersionOrLower.";

    /// <summary>The server answered, but not as a WebSocket server does.</summary>
    public static HandshakeException Refused(Uri uri, ClientHandshakeVerdict verdict, HttpResponseMessage response, string body) => new(Sentence(uri, verdict.Reason), null)
    {
        Failure = verdict.Failure == ClientHandshakeFailure.Status ? ConnectFailure.Status : ConnectFailure.MalformedHandshake,
        StatusCode = response.StatusCode,
        Headers = Headers(response),
        Body = body,
    };

    /// <summary>The server answered a polled request, but opened no session.</summary>
    public static HandshakeException SessionRefused(Uri uri, HttpResponseMessage response, string body) =>
        new($"No session with {WebSocketUri.Display(uri)}: The server answered {(int)response.StatusCode}{(string.IsNullOrWhiteSpace(response.ReasonPhrase) ? "" : $" {PeerText.Quote(response.ReasonPhrase)}")}.{RedirectHint(uri, response)}", null)
        {
            Failure = ConnectFailure.Status,
            StatusCode = response.StatusCode,
            Headers = Headers(response),
            Body = body,
        };

    private static string RedirectHint(Uri uri, HttpResponseMessage response) => (int)response.StatusCode is >= 300 and < 400
        ? ClientHandshake.RedirectHint(WebSocketUri.DisplayTarget(uri, response.Headers.NonValidated.TryGetValues("Location", out var location) ? [.. location] : []))
        : "";

    /// <summary>The server answered as none does that speaks Engine.IO v4.</summary>
    public static HandshakeException NotASession(Uri uri, string reason, Exception? inner) =>
        new($"No session with {WebSocketUri.Display(uri)}: {reason}", inner) { Failure = ConnectFailure.MalformedHandshake };

    /// <summary>No transport got through; the first failure tells most.</summary>
    public static HandshakeException AllFailed(HandshakeException first, HandshakeException last) => new($"{first.Message} And the last of the other transports: {last.Message}", first)
    {
        Failure = first.Failure,
        StatusCode = first.StatusCode,
        Headers = first.Headers,
        Body = first.Body,
    };

    public static HandshakeException TimedOut(Uri uri, TimeSpan timeout, string waitingFor, Exception inner) =>
        new(Sentence(uri, $"Waited {timeout.TotalSeconds:0.###} s (ConnectTimeout) in vain for {waitingFor}."), inner) { Failure = ConnectFailure.Timeout };

    /// <summary>There is no answer.</summary>
    /// <param name="uri">With whom.</param>
    /// <param name="e">Why.</param>
    /// <param name="options">Those of the connect call.</param>
    public static HandshakeException Failed(Uri uri, HttpRequestException e, ConnectOptions options)
    {
        string cause = Innermost(e);
        string reason = e.HttpRequestError switch
        {
            HttpRequestError.NameResolutionError => $"The host name cannot be resolved: {cause}",
            HttpRequestError.ConnectionError => cause,
            HttpRequestError.SecureConnectionError when ForcesHttp2(options) => $"TLS failed, where nothing but HTTP/2 was offered: {cause} {LowerVersion} Or trust the server's certificate.",
            HttpRequestError.SecureConnectionError => $"TLS failed: {cause} If the port speaks no TLS, connect with ws: else trust the server's certificate, or decide about it in RemoteCertificateValidationCallback.",
            HttpRequestError.ProxyTunnelError => $"The proxy did not let it through: {cause}{(e.StatusCode == HttpStatusCode.ProxyAuthenticationRequired ? " Set the credentials of Proxy." : "")}",
            HttpRequestError.ConfigurationLimitExceeded => $"The head of the answer is larger than {options.MaxResponseHeaderKibibytes} KiB (MaxResponseHeaderSize).",
            HttpRequestError.ResponseEnded => $"The server ended the connection before its answer was whole.{Http2Hint(uri, options)}",
            HttpRequestError.InvalidResponse => $"The answer is not HTTP: {cause}",
            HttpRequestError.ExtendedConnectNotSupported => $"{NoHttp2}: {cause} {LowerVersion}",
            HttpRequestError.VersionNegotiationError when uri.Scheme == "ws" => $"HTTP/2 in clear text goes through no HTTP proxy: {cause} Use wss, or a SOCKS proxy, or set HttpVersion to 1.1.",
            HttpRequestError.VersionNegotiationError => $"{NoHttp2}: {cause} {LowerVersion}",
            HttpRequestError.UserAuthenticationError => $"Authentication failed: {cause}",
            _ => e.InnerException is HttpProtocolException ? $"{cause} {LowerVersion}" : $"{cause}{Http2Hint(uri, options)}",
        };

        // Where there is a status here, it is the proxy's.
        return new HandshakeException(Sentence(uri, reason), e) { StatusCode = e.StatusCode, Failure = Classify(e.HttpRequestError) };
    }

    public static HandshakeException Failed(Uri uri, IOException e, ConnectOptions options) =>
        new(Sentence(uri, e is HttpProtocolException ? $"{Innermost(e)} {LowerVersion}" : $"{Innermost(e)}{Http2Hint(uri, options)}"), e) { Failure = ConnectFailure.Connection };

    // In clear text nothing tells before which versions a server speaks: one of HTTP/1.1 only may just end the connection, and a reset takes with it what it had said.
    private static string Http2Hint(Uri uri, ConnectOptions options) =>
        uri.Scheme == "ws" && ForcesHttp2(options) ? $" If the server speaks no HTTP/2: {LowerVersion}" : "";

    private static ConnectFailure Classify(HttpRequestError error) => error switch
    {
        HttpRequestError.NameResolutionError => ConnectFailure.NameResolution,
        HttpRequestError.ConnectionError => ConnectFailure.Connection,
        HttpRequestError.SecureConnectionError => ConnectFailure.Tls,
        HttpRequestError.ProxyTunnelError => ConnectFailure.Proxy,
        HttpRequestError.ConfigurationLimitExceeded => ConnectFailure.HeaderTooLarge,
        HttpRequestError.ResponseEnded => ConnectFailure.ResponseEnded,
        HttpRequestError.InvalidResponse => ConnectFailure.InvalidResponse,
        HttpRequestError.UserAuthenticationError => ConnectFailure.Authentication,
        HttpRequestError.ExtendedConnectNotSupported or HttpRequestError.VersionNegotiationError => ConnectFailure.HttpVersion,
        _ => ConnectFailure.Other,
    };

    public static HandshakeException Failed(Uri uri, NotSupportedException e) => new(Sentence(uri, e.Message), e) { Failure = ConnectFailure.Proxy };

    /// <summary>Whether a server has said that it takes no WebSocket over HTTP/2; nothing has reached the application behind it then.</summary>
    public static bool IsHttp2Refused(Exception e)
    {
        // RFC 8441 §3: SETTINGS without ENABLE_CONNECT_PROTOCOL; else RFC 9113 §7: HTTP_1_1_REQUIRED.
        for (Exception? inner = e; inner is not null; inner = inner.InnerException)
        {
            if (inner is HttpRequestException { HttpRequestError: HttpRequestError.ExtendedConnectNotSupported } or HttpProtocolException { ErrorCode: 0xd })
            {
                return true;
            }
        }

        return false;
    }

    private static bool ForcesHttp2(ConnectOptions options) =>
        options.HttpVersion == HttpVersion.Version20 && options.HttpVersionPolicy != HttpVersionPolicy.RequestVersionOrLower;

    /// <summary>At most the first 1,024 bytes of the body, as text; a character cut in two is left out.</summary>
    public static async Task<string> ReadBodyAsync(HttpContent content, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[MaxBodySize];
        int length = 0;
        try
        {
            Stream body = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            int count;
            while (length < buffer.Length && (count = await body.ReadAsync(buffer.AsMemory(length), cancellationToken).ConfigureAwait(false)) > 0)
            {
                length += count;
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException)
        {
            // The status is what the caller must know; a body that broke off adds what came of it.
        }

        char[] text = new char[buffer.Length];
        int characters = Encoding.UTF8.GetDecoder().GetChars(buffer.AsSpan(0, length), text, flush: false);
        return new string(text, 0, characters);
    }

    private static Dictionary<string, IReadOnlyList<string>> Headers(HttpResponseMessage response)
    {
        var headers = new Dictionary<string, IReadOnlyList<string>>(StringComparer.OrdinalIgnoreCase);
        foreach ((string name, var values) in response.Headers.NonValidated.Concat(response.Content.Headers.NonValidated))
        {
            headers[name] = [.. values];
        }

        return headers;
    }

    private static string Sentence(Uri uri, string reason) => $"No WebSocket with {WebSocketUri.Display(uri)}: {reason}";

    /// <summary>The sentence of the exception that knows most.</summary>
    private static string Innermost(Exception e)
    {
        while (e.InnerException is not null)
        {
            e = e.InnerException;
        }

        return e.Message;
    }
}
