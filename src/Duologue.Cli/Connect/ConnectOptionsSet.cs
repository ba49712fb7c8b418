using System.CommandLine;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Connect;

/// <summary>The options of <c>connect</c>.</summary>
internal sealed class ConnectOptionsSet
{
    private static readonly ByteSize MessageSize = new(64 * 1024 * 1024);
    private static readonly Duration OnceWait = new(TimeSpan.FromSeconds(10));
    private static readonly Duration PipeWait = new(TimeSpan.FromSeconds(1));
    private static readonly Duration PingEvery = new(TimeSpan.FromSeconds(1));
    private static readonly TimeSpan ShortestPolling = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestPolling = TimeSpan.FromSeconds(55);
    private static readonly ConnectOptions Defaults = new();

    public Argument<string> Url { get; } = new("URL") { Description = "ws://host[:port]/path or wss://…; http and https mean the same." };

    public Option<string[]> Protocol { get; } = CliOption.Create<string[]>("--protocol", "NAME", "A subprotocol to offer, the preferred first. Repeatable.");

    public Option<string[]> Header { get; } = new("--header", "-H") { HelpName = "\"NAME: VALUE\"", Description = "A header to add to the opening request. Repeatable." };

    public Option<string?> Origin { get; } = CliOption.Create<string?>("--origin", "ORIGIN", "The Origin header, as a browser would send it, such as https://example.com. Default none.");

    public Option<Compression> Compression { get; } = CliOption.Compression("--compression", "The compression to offer.");

    public Option<bool> Binary { get; } = CliOption.Switch("--binary", "Send binary messages: each typed line as one; what is piped in, all of it as one, byte for byte.");

    public Option<bool> Once { get; } = CliOption.Switch("--once", "End after the first message that comes: exit code 0, or 7 if none comes.");

    public Option<Duration?> Wait { get; }

    public Option<Duration?> Ping { get; }

    public Option<bool> Verbose { get; } = new("--verbose", "-v") { Description = "Print both heads of the opening handshake as they went over the wire, with cookies and credentials, and which transport carries the conversation." };

    public Option<bool> Explain { get; } = CliOption.Switch("--explain", "Like --verbose, and say what each line means.");

    public Option<bool> Insecure { get; } = new("--insecure", "-k") { Description = "Accept any certificate of the server. For development only: it gives up the protection of TLS." };

    public Option<Transports?> Transport { get; } = new("--transport")
    {
        HelpName = "NAME,…",
        Description = $"What may carry the conversation: {TransportNames.All}, several of them with commas between, or auto for all. The first that gets through is taken. Default websocket.",
        CustomParser = result =>
        {
            string given = string.Join(',', result.Tokens.Select(token => token.Value));
            if (!TransportNames.TryParse(given, out Transports transports))
            {
                result.AddError($"--transport takes {TransportNames.All}, several of them with commas between, or auto; it was given \"{given}\".");
            }

            return transports;
        },
    };

    public Option<bool> PollingFirst { get; } = CliOption.Switch("--polling-first", "Open by polling and go on over a WebSocket, in place, as soon as one gets through. Takes websocket and a polled transport in --transport.");

    public Option<Duration> PollingInterval { get; } = CliOption.FiniteTime("--polling-interval", "How long the transport polling waits between its requests, 10ms to 55s.", Defaults.PollingInterval);

    public Option<string?> Proxy { get; } = CliOption.Create<string?>("--proxy", "URL", "http://, https://, socks4://, socks4a:// or socks5://; none for no proxy. Default: the system's.");

    public Option<string> Http { get; } = new("--http")
    {
        HelpName = "VERSION",
        Description = "The version of HTTP to open with, and no other: 1.1, or 2 (RFC 8441).",
        DefaultValueFactory = _ => "1.1",
    };

    public Option<Duration> Timeout { get; } = CliOption.Time("--timeout", "How long the opening may take; none for any time.", Defaults.ConnectTimeout);

    public Option<ByteSize?> MaxMessageSize { get; } = CliOption.Size("--max-message-size", $"The largest message to receive. Passed: close 1009. Default {MessageSize}.");

    public Option<Duration> PingInterval { get; } = CliOption.Time("--ping-interval", "How often the server is pinged to see whether it is there; none for never.", Defaults.KeepAliveInterval);

    public Option<Duration> PingTimeout { get; } = CliOption.Time("--ping-timeout", "How long after that some sign of life may take; none for any time.", Defaults.KeepAliveTimeout);

    public Option<Duration> CloseTimeout { get; } = CliOption.Time("--close-timeout", "How long the server may take to answer a Close; none for any time.", Defaults.CloseTimeout);

    public Option<bool> Json { get; } = CliOption.Switch("--json", "One JSON object per line on standard output: handshake (with --verbose), open, message, ping, unsent, close, error.");

    public ConnectOptionsSet()
    {
        Wait = CliOption.OptionalTime("--wait", $"How long to go on receiving after piped input has ended; none until the server closes. Default {PipeWait}; with --once, how long to wait for the message: {OnceWait}.", null);
        Http.CompletionSources.Add("1.1", "2");
        Http.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is not ("1.1" or "2"))
            {
                result.AddError($"--http takes 1.1 or 2; it was given \"{result.GetValueOrDefault<string>()}\".");
            }
        });
        Ping = CliOption.OptionalTime("--ping", $"Ping so often and print the round trip; not in a session, whose server pings. Without a value every {PingEvery}.", PingEvery);
    }

    public IEnumerable<Option> All =>
    [
        Protocol, Header, Origin, Compression, Binary, Once, Wait, Ping, Verbose, Explain, Insecure, Http, Transport, PollingFirst, PollingInterval, Proxy, Timeout, MaxMessageSize, PingInterval, PingTimeout, CloseTimeout, Json,
    ];

    public TimeSpan GetWait(ParseResult command) =>
        (command.GetValue(Wait) ?? (command.GetValue(Once) ? OnceWait : PipeWait)).Value;

    /// <summary>Reads the URL; the error says what is wrong and what was perhaps meant.</summary>
    public bool TryGetUrl(ParseResult command, [NotNullWhen(true)] out Uri? url, [NotNullWhen(false)] out string? error)
    {
        string text = command.GetRequiredValue(Url);
        bool isAbsolute = Uri.TryCreate(text, UriKind.Absolute, out url);
        if (!isAbsolute || url!.Scheme is not ("ws" or "wss" or "http" or "https") || url.Host.Length == 0)
        {
            string guess = $"ws://{text.TrimStart('/')}";
            bool couldBe = !text.Contains("://", StringComparison.Ordinal) && !text.Contains(' ', StringComparison.Ordinal) && Uri.TryCreate(guess, UriKind.Absolute, out _);
            error = $"\"{text}\" is no WebSocket URL; expected ws://host[:port]/path or wss://host[:port]/path.{(couldBe ? $" Did you mean {guess}?" : "")}";
            url = null;
            return false;
        }

        error = url.Fragment.Length > 0 || text.Contains('#', StringComparison.Ordinal) ? $"\"{text}\" has a fragment (#), which a WebSocket URL must not have (RFC 6455 §3)." : null;
        return error is null;
    }

    /// <summary>Makes the library's options; the error says which of the command line's is wrong.</summary>
    public bool TryGetOptions(ParseResult command, Action<HandshakeTrace>? onHandshake, [NotNullWhen(true)] out ConnectOptions? options, [NotNullWhen(false)] out string? error)
    {
        options = null;
        var headers = new List<KeyValuePair<string, string>>();
        foreach (string header in command.GetValue(Header) ?? [])
        {
            int colon = header.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0)
            {
                error = $"--header has \"{header}\"; expected a name, a colon and a value, such as -H \"X-Room: blue\".";
                return false;
            }

            headers.Add(new(header[..colon].Trim(), header[(colon + 1)..].Trim()));
        }

        Transports transports = command.GetValue(Transport) ?? Defaults.Transports;
        if (command.GetValue(PollingFirst) && (!transports.HasFlag(Transports.WebSocket) || transports == Transports.WebSocket))
        {
            error = "--polling-first takes websocket and a polled transport in --transport, such as --transport auto.";
            return false;
        }

        TimeSpan pollingInterval = command.GetValue(PollingInterval).Value;
        if (pollingInterval < ShortestPolling || pollingInterval > LongestPolling)
        {
            error = $"--polling-interval takes a time from {new Duration(ShortestPolling)} to {new Duration(LongestPolling)}; it was given \"{new Duration(pollingInterval)}\".";
            return false;
        }

        string? proxy = command.GetValue(Proxy);
        bool noProxy = proxy is "none";
        Uri? proxyUrl = null;
        if (proxy is not null && !noProxy && (!Uri.TryCreate(proxy, UriKind.Absolute, out proxyUrl) || proxyUrl.Scheme is not ("http" or "https" or "socks4" or "socks4a" or "socks5")))
        {
            error = $"--proxy has \"{proxy}\"; expected such as http://host:3128 or socks5://host:1080, or none.";
            return false;
        }

        // The user asks for it by --insecure, whose description says what it gives up.
#pragma warning disable CA5359
        RemoteCertificateValidationCallback? acceptAny = command.GetValue(Insecure) ? (_, _, _, _) => true : null;
#pragma warning restore CA5359
        options = new ConnectOptions
        {
            Subprotocols = command.GetValue(Protocol) ?? [],
            Headers = headers,
            Origin = command.GetValue(Origin),
            HttpVersion = command.GetValue(Http) == "2" ? HttpVersion.Version20 : HttpVersion.Version11,
            HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Transports = transports,
            PollingFirst = command.GetValue(PollingFirst),
            PollingInterval = pollingInterval,
            Compression = command.GetRequiredValue(Compression),
            UseProxy = !noProxy,
            Proxy = proxyUrl is null ? null : new WebProxy(proxyUrl) { Credentials = ReadCredentials(proxyUrl) },
            RemoteCertificateValidationCallback = acceptAny,
            ConnectTimeout = command.GetValue(Timeout).Value,
            MaxMessageSize = (command.GetValue(MaxMessageSize) ?? MessageSize).Bytes,
            KeepAliveInterval = command.GetValue(PingInterval).Value,
            KeepAliveTimeout = command.GetValue(PingTimeout).Value,
            CloseTimeout = command.GetValue(CloseTimeout).Value,
            OnHandshake = onHandshake,
        };
        error = null;
        return true;
    }

    private static NetworkCredential? ReadCredentials(Uri proxy)
    {
        if (proxy.UserInfo.Length == 0)
        {
            return null;
        }

        string[] parts = proxy.UserInfo.Split(':', 2);
        return new(Uri.UnescapeDataString(parts[0]), parts.Length > 1 ? Uri.UnescapeDataString(parts[1]) : "");
    }
}
