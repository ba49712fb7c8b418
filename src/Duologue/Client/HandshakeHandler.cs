using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue.Client;

/// <summary>Sets up <see cref="SocketsHttpHandler"/>, which brings proxies, credentials, cookies, TLS and HTTP/2.</summary>
internal static class HandshakeHandler
{
    /// <summary>Makes a handler that does what the options ask; how it connects is the caller's.</summary>
    public static SocketsHttpHandler Create(ConnectOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            // RFC 6455 §4.1 leaves redirects to the client; browsers follow none, lest a page be led elsewhere.
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = Timeout.InfiniteTimeSpan,
            Credentials = options.Credentials,

            // Else what comes after the last stream that a server allows, 100 at Kestrel, waits for one of them to end.
            EnableMultipleHttp2Connections = true,
            MaxResponseHeadersLength = options.MaxResponseHeaderKibibytes,
            UseCookies = options.Cookies is not null,
            UseProxy = options.UseProxy,
            Proxy = options.Proxy,
            SslOptions = CreateTlsOptions(options),
        };
        if (options.Cookies is not null)
        {
            handler.CookieContainer = options.Cookies;
        }

        return handler;
    }

    /// <summary>Lets a handler, whose connections outlive the request that wanted them first, connect as the options say.</summary>
    /// <param name="handler">The handler.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Is told of what a request that carries none of its own waits for; null if nobody wants to know. A proxy's CONNECT, which the handler makes, carries none.</param>
    public static void ConnectBy(SocketsHttpHandler handler, ConnectOptions options, HandshakeProgress? progress)
    {
        ILogger logger = options.LoggerFactory?.CreateLogger("Duologue.Client") ?? NullLogger.Instance;
        handler.ConnectCallback = (context, cancellationToken) =>
            ConnectAsync(context, options, logger, HandshakeProgress.Of(context.InitialRequestMessage) ?? progress, cancellationToken);
        handler.PlaintextStreamFilter = (context, _) =>
        {
            ThrowIfHttp2IsRefused(context);
            if (!IsTunnel(context.InitialRequestMessage))
            {
                (HandshakeProgress.Of(context.InitialRequestMessage) ?? progress)?.Asking();
            }

            return ValueTask.FromResult(context.PlaintextStream);
        };
    }

    /// <summary>Makes a TCP connection for a handler: to the server, or to a proxy, which is named if it does not answer. The options need not name it, the environment may.</summary>
    /// <exception cref="SocketException">No address took the connection.</exception>
    public static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, ConnectOptions options, ILogger logger, HandshakeProgress? progress, CancellationToken cancellationToken)
    {
        DnsEndPoint target = context.DnsEndPoint;
        progress?.Connecting(target.Host, target.Port);
        try
        {
            var racer = new ConnectionRacer(options.Resolve, options.Connect, options.TimeProvider, logger);
            Stream stream = await racer.ConnectAsync(target.Host, target.Port, cancellationToken).ConfigureAwait(false);
            progress?.Connected(target.Host, target.Port);
            return stream;
        }
        catch (SocketException e) when (IsTunnel(context.InitialRequestMessage) || !HandshakeProgress.IsDirect(context.InitialRequestMessage.RequestUri!, target.Host, target.Port))
        {
            throw new SocketException((int)e.SocketErrorCode, $"The proxy {target.Host}:{target.Port} cannot be reached: {e.Message}");
        }
    }

    /// <summary>The first option that a handler made for some options would not heed in others; null if one handler does for both.</summary>
    public static string? FindDifference(ConnectOptions a, ConnectOptions b)
    {
        (string Name, bool IsSame)[] options =
        [
            (nameof(ConnectOptions.Cookies), ReferenceEquals(a.Cookies, b.Cookies)),
            (nameof(ConnectOptions.Credentials), ReferenceEquals(a.Credentials, b.Credentials)),
            (nameof(ConnectOptions.UseProxy), a.UseProxy == b.UseProxy),
            (nameof(ConnectOptions.Proxy), ReferenceEquals(a.Proxy, b.Proxy)),
            (nameof(ConnectOptions.ClientCertificates), ReferenceEquals(a.ClientCertificates, b.ClientCertificates)),
            (nameof(ConnectOptions.RemoteCertificateValidationCallback), Equals(a.RemoteCertificateValidationCallback, b.RemoteCertificateValidationCallback)),
            (nameof(ConnectOptions.TlsOptions), ReferenceEquals(a.TlsOptions, b.TlsOptions)),
            (nameof(ConnectOptions.MaxResponseHeaderSize), a.MaxResponseHeaderKibibytes == b.MaxResponseHeaderKibibytes),
        ];
        return Array.Find(options, option => !option.IsSame).Name;
    }

    /// <summary>Whether a connection is made for a proxy's CONNECT, which is none of the handshake's own (RFC 8441 §4 has a :protocol).</summary>
    public static bool IsTunnel(HttpRequestMessage request) => request.Method == HttpMethod.Connect && request.Headers.Protocol is null;

    /// <summary>Ends a connection whose server chose HTTP/1.1 where an extended CONNECT was to be sent: the handler would send it nevertheless.</summary>
    /// <exception cref="HttpRequestException">As from the handler, where the server speaks HTTP/2 but does not take the request.</exception>
    public static void ThrowIfHttp2IsRefused(SocketsHttpPlaintextStreamFilterContext context)
    {
        if (context.InitialRequestMessage.Headers.Protocol is not null && context.NegotiatedHttpVersion == HttpVersion.Version11)
        {
            throw new HttpRequestException(HttpRequestError.ExtendedConnectNotSupported, "TLS agreed on HTTP/1.1.");
        }
    }

    // The handler copies the options before it changes them.
    private static SslClientAuthenticationOptions CreateTlsOptions(ConnectOptions options) => options.TlsOptions ?? new SslClientAuthenticationOptions
    {
        ClientCertificates = options.ClientCertificates,
        RemoteCertificateValidationCallback = options.RemoteCertificateValidationCallback,
    };
}
