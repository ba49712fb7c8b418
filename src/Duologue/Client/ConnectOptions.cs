using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Duologue.Protocol.Handshake;
using Microsoft.Extensions.Logging;

namespace Duologue;

/// <summary>
/// How a client connects, and the limits and timings of the connection that comes of it. Immutable; vary with <c>with</c>.
/// </summary>
/// <example>
/// <code>
/// var options = new ConnectOptions { Subprotocols = ["chat.v2", "chat.v1"], ConnectTimeout = TimeSpan.FromSeconds(3) };
/// await using Connection connection = await Connection.ConnectAsync(new Uri("wss://example.com/chat"), options);
/// </code>
/// </example>
public sealed record ConnectOptions : ConnectionOptions
{
    private const int Kibibyte = 1024;

    /// <summary>
    /// The subprotocols to offer, most preferred first; distinct tokens, at most 100. Default none. The server picks at most one;
    /// see <see cref="Connection.Subprotocol"/>. Source: RFC 6455 §1.9.
    /// </summary>
    public IReadOnlyList<string> Subprotocols { get; init; } = [];

    /// <summary>
    /// The transports that may carry the conversation. Default <see cref="Transports.WebSocket"/> only. Of several, the WebSocket is tried first, then
    /// long polling, then polling; which of them got through is remembered per origin, for 15 s at first and up to ten minutes where it happens again and again. Polled transports are sessions over
    /// Engine.IO v4, which Duologue's servers answer on the same URI; they carry no subprotocol: where <see cref="Subprotocols"/> names one,
    /// only the WebSocket is tried. A URI whose query has <c>EIO=4</c> names a server of Engine.IO, with which WebSockets are sessions, too.
    /// Docs: docs/sessions.md.
    /// </summary>
    public Transports Transports { get; init; } = Transports.WebSocket;

    /// <summary>
    /// Whether a conversation that may use both is opened by polling and goes on over a WebSocket, in place, as soon as one gets through. Default
    /// false: the WebSocket is tried first, and polling is what is left. True gives the quicker start in networks that swallow WebSocket handshakes.
    /// </summary>
    public bool PollingFirst { get; init; }

    /// <summary>
    /// How long <see cref="Transports.Polling"/> waits between its requests. Default 2 s; 10 ms to 55 s, and not more than half of the time in which the
    /// server wants its pings answered. <see cref="Transports.LongPolling"/> waits up to as long, from 10 ms on, where requests are answered sooner than that without
    /// a message.
    /// </summary>
    public TimeSpan PollingInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// The longest that the server of a session may be silent for, which is its <c>pingInterval</c> and <c>pingTimeout</c> together: the client cannot ping there, and takes a cut line for whole so
    /// long. Default <see cref="Timeout.InfiniteTimeSpan"/>: as long as the server says (each of the two at most a day). Else positive, at most two days. Passed: <see cref="HandshakeException"/>.
    /// </summary>
    public TimeSpan MaxSessionSilence { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>The Origin header, for example <c>https://example.com</c>. Default null: none is sent, as befits a client that is no browser.</summary>
    public string? Origin { get; init; }

    /// <summary>
    /// Headers to add to the opening request; a dictionary will do, a list may repeat a name. Default none. Those that make the
    /// handshake itself (<c>Connection</c>, <c>Upgrade</c>, <c>Sec-WebSocket-…</c>) and the body cannot be set.
    /// </summary>
    public IReadOnlyCollection<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary>Where cookies are taken from for the opening request, and where the answer's are kept. Default null: no cookies.</summary>
    public CookieContainer? Cookies { get; init; }

    /// <summary>
    /// Who to be if the server asks (401; Basic, Digest, NTLM, Negotiate). Default null: a 401 fails the handshake. User information
    /// in the URI is sent at once instead, as Basic.
    /// </summary>
    public ICredentials? Credentials { get; init; }

    /// <summary>Whether a proxy may be used at all. Default true.</summary>
    public bool UseProxy { get; init; } = true;

    /// <summary>
    /// The proxy: <c>http</c>, <c>https</c>, <c>socks4</c>, <c>socks4a</c> or <c>socks5</c>, with its credentials. HTTP proxies are
    /// tunnelled through (CONNECT), for <c>ws</c> too. Default null: the system's, see <see cref="HttpClient.DefaultProxy"/>.
    /// </summary>
    public IWebProxy? Proxy { get; init; }

    /// <summary>Certificates to show if the server asks for one. Default null: none. Not together with <see cref="TlsOptions"/>.</summary>
    public X509CertificateCollection? ClientCertificates { get; init; }

    /// <summary>
    /// Decides about the server's certificate in place of the system. Default null: the system decides. Returning true for any
    /// certificate gives up the protection of TLS. Not together with <see cref="TlsOptions"/>.
    /// </summary>
    public RemoteCertificateValidationCallback? RemoteCertificateValidationCallback { get; init; }

    /// <summary>
    /// All of TLS, for what the two options above do not cover. Default null: the system's choices. Not changed here, and
    /// <see cref="SslClientAuthenticationOptions.TargetHost"/> is of no effect: the name asked for is that of a Host header, or the URI's.
    /// </summary>
    public SslClientAuthenticationOptions? TlsOptions { get; init; }

    /// <summary>
    /// How long the whole opening may take: resolving, connecting, proxy, TLS and the answer. Default 10 s; at most a day, or
    /// <see cref="Timeout.InfiniteTimeSpan"/> for no limit. Passed: <see cref="HandshakeException"/>.
    /// </summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The version of HTTP to ask for: 1.1, where the WebSocket takes a TCP connection for itself, or 2.0, where it is one of many streams
    /// on one. Default 1.1, which every server and proxy takes. What is done where the server does not speak it: <see cref="HttpVersionPolicy"/>.
    /// Source: RFC 8441.
    /// </summary>
    public Version HttpVersion { get; init; } = System.Net.HttpVersion.Version11;

    /// <summary>
    /// Whether another version than <see cref="HttpVersion"/> will do. Default <see cref="HttpVersionPolicy.RequestVersionOrLower"/>:
    /// over <c>wss</c> 2.0 is asked for and 1.1 is gone back to where the server does not take WebSockets over it; over <c>ws</c>, where client
    /// and server cannot agree on a version, it means 1.1. <see cref="HttpVersionPolicy.RequestVersionOrHigher"/> makes 2.0 of 1.1 over <c>wss</c>
    /// where the server takes it. <see cref="HttpVersionPolicy.RequestVersionExact"/> with 2.0 is what <c>ws</c> over HTTP/2 needs.
    /// </summary>
    public HttpVersionPolicy HttpVersionPolicy { get; init; } = HttpVersionPolicy.RequestVersionOrLower;

    /// <summary>
    /// The TCP connections to share with others that were given the same pool; of effect over HTTP/2 only. Default null: nothing is
    /// shared. The caller's to dispose.
    /// </summary>
    public HttpConnectionPool? Pool { get; init; }

    /// <summary>
    /// The largest head of an answer, in bytes, rounded up to whole KiB. Default 64 KiB; 1 to 16 MiB. Passed: <see cref="HandshakeException"/>.
    /// </summary>
    public int MaxResponseHeaderSize { get; init; } = 64 * Kibibyte;

    /// <summary>Makes the loggers of the handshake and the connection. Default null: nothing is logged.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>Makes the meter <c>Duologue</c>. Default null: one meter for the whole process. Docs: docs/operations.md.</summary>
    public IMeterFactory? MeterFactory { get; init; }

    /// <summary>
    /// Is given both heads of each exchange of the opening as they went over the wire, in order, before the connect call
    /// ends; also when it fails. Default null: nothing is recorded. The heads hold credentials and cookies as sent. What it
    /// throws, the connect call throws.
    /// </summary>
    public Action<HandshakeTrace>? OnHandshake { get; init; }

    /// <summary>Resolves host names; the system's unless a test has its own.</summary>
    internal Client.ResolveHost Resolve { get; init; } = Client.ConnectionRacer.SystemResolve;

    /// <summary>Opens a TCP connection; the system's unless a test has its own.</summary>
    internal Client.ConnectAddress Connect { get; init; } = Client.ConnectionRacer.SystemConnect;

    internal int MaxResponseHeaderKibibytes => (MaxResponseHeaderSize + Kibibyte - 1) / Kibibyte;

    /// <inheritdoc cref="ConnectionOptions.Validate"/>
    /// <exception cref="ArgumentException">A value cannot be used; the message names the option.</exception>
    internal new void Validate()
    {
        base.Validate();
        CheckTime(ConnectTimeout, nameof(ConnectTimeout));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ConnectTimeout, TimeSpan.FromDays(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxResponseHeaderSize, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxResponseHeaderSize, 16 * Kibibyte * Kibibyte);
        ArgumentNullException.ThrowIfNull(Subprotocols);
        ArgumentNullException.ThrowIfNull(Headers);
        if (Protocol.Handshake.Subprotocols.FindError(Subprotocols) is { } error)
        {
            throw new ArgumentException(error, nameof(Subprotocols));
        }

        if (Origin is not null && !IsFieldValue(Origin))
        {
            throw new ArgumentException($"Origin is {PeerText.Quote(Origin)}; use printable ASCII, for example \"https://example.com\".", nameof(Origin));
        }

        ValidateTransports();
        ValidateVersion();
        ValidateHeaders();
        if (Proxy is not null && !UseProxy)
        {
            throw new ArgumentException("Proxy is set, but UseProxy is false; leave out one of them.", nameof(Proxy));
        }

        if (TlsOptions is not null && (ClientCertificates is not null || RemoteCertificateValidationCallback is not null))
        {
            throw new ArgumentException(
                "TlsOptions stands beside ClientCertificates or RemoteCertificateValidationCallback; set those inside TlsOptions.",
                nameof(TlsOptions));
        }
    }

    private void ValidateTransports()
    {
        const Transports All = Transports.WebSocket | Transports.LongPolling | Transports.Polling;
        if (Transports == Transports.None || (Transports & ~All) != 0)
        {
            throw new ArgumentException($"Transports is {Transports}; name WebSocket, LongPolling or Polling, or several of them.", nameof(Transports));
        }

        if (!Transports.HasFlag(Transports.WebSocket) && Subprotocols.Count > 0)
        {
            throw new ArgumentException("Subprotocols are set, but Transports has no WebSocket, and polled transports carry none; leave out one of them.", nameof(Subprotocols));
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(PollingInterval, TimeSpan.FromMilliseconds(10));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(PollingInterval, TimeSpan.FromSeconds(55));
        CheckTime(MaxSessionSilence, nameof(MaxSessionSilence));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxSessionSilence, TimeSpan.FromDays(2));
    }

    private void ValidateVersion()
    {
        ArgumentNullException.ThrowIfNull(HttpVersion);
        if (HttpVersion != System.Net.HttpVersion.Version11 && HttpVersion != System.Net.HttpVersion.Version20)
        {
            throw new ArgumentException($"HttpVersion is {HttpVersion}; a WebSocket goes over 1.1 or 2.0 here.", nameof(HttpVersion));
        }

        if (!Enum.IsDefined(HttpVersionPolicy))
        {
            throw new ArgumentException($"HttpVersionPolicy is {HttpVersionPolicy}, which is none of the enumeration's values.", nameof(HttpVersionPolicy));
        }
    }

    private void ValidateHeaders()
    {
        foreach ((string name, string value) in Headers)
        {
            if (!HttpToken.IsValid(name))
            {
                throw new ArgumentException($"Headers has the name {PeerText.Quote(name)}, which is not a token (RFC 9110 §5.1).", nameof(Headers));
            }

            if (HandshakeHeaders.IsReserved(name))
            {
                string instead = name.Equals(HandshakeHeaders.Protocol, StringComparison.OrdinalIgnoreCase) ? " Use Subprotocols." : "";
                throw new ArgumentException($"Headers has {name}, which the handshake sets itself.{instead}", nameof(Headers));
            }

            if (name.Equals("Keep-Alive", StringComparison.OrdinalIgnoreCase) || name.Equals("Proxy-Connection", StringComparison.OrdinalIgnoreCase))
            {
                // RFC 9113 §8.2.2: a server answers them with an error of the stream; in an upgrade over HTTP/1.1 they mean nothing.
                throw new ArgumentException($"Headers has {name}, which is about a TCP connection that the WebSocket will own or share; leave it out.", nameof(Headers));
            }

            if (IsBodyHeader(name))
            {
                throw new ArgumentException($"Headers has {name}, but the opening request has no body.", nameof(Headers));
            }

            if (name.Equals("Origin", StringComparison.OrdinalIgnoreCase) && Origin is not null)
            {
                throw new ArgumentException("Headers has Origin, and the option Origin is set too; leave out one of them.", nameof(Headers));
            }

            if (value is null || !IsFieldValue(value))
            {
                // The value may be a secret: it is not shown.
                throw new ArgumentException($"The value of the header {name} has characters other than printable ASCII; encode it, for example percent-encode it.", nameof(Headers));
            }
        }
    }

    private static bool IsBodyHeader(string name) =>
        name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Transfer-Encoding", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Trailer", StringComparison.OrdinalIgnoreCase)
        || name.Equals("TE", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Expect", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Allow", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Expires", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Last-Modified", StringComparison.OrdinalIgnoreCase);

    // RFC 9110 §5.5, without the obsolete bytes beyond ASCII.
    private static bool IsFieldValue(string value) => value.All(c => c is (>= ' ' and <= '~') or '\t');
}
