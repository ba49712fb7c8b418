using System.Text;
using Duologue.Protocol.Deflate;

namespace Duologue.Protocol.Handshake;

/// <summary>A client's opening handshake: the headers to send, and the verdict on the answer (RFC 6455 §4.1). Without I/O; one per attempt, for the key is new each time.</summary>
internal sealed class ClientHandshake
{
    private readonly string _key;
    private readonly IReadOnlyList<string> _subprotocols;
    private readonly IReadOnlyList<Extension> _extensions;

    /// <summary>Prepares a handshake with a new key.</summary>
    /// <param name="subprotocols">What the client speaks, most preferred first.</param>
    /// <param name="extensions">What the client offers, most preferred first.</param>
    /// <exception cref="ArgumentException">A subprotocol is no token or is named twice.</exception>
    public ClientHandshake(IReadOnlyList<string> subprotocols, IReadOnlyList<Extension> extensions)
        : this(subprotocols, extensions, HandshakeKey.Generate())
    {
    }

    internal ClientHandshake(IReadOnlyList<string> subprotocols, IReadOnlyList<Extension> extensions, string key)
    {
        if (Subprotocols.FindError(subprotocols) is { } error)
        {
            throw new ArgumentException(error, nameof(subprotocols));
        }

        _key = key;
        _subprotocols = subprotocols;
        _extensions = extensions;
    }

    /// <summary>Whether it goes over HTTP/2, as an extended CONNECT, and not as an upgrade over HTTP/1.1. Default false.</summary>
    public bool IsHttp2 { get; init; }

    /// <summary>The headers of the request, without Host, Origin and those of the application.</summary>
    public IEnumerable<KeyValuePair<string, string>> RequestHeaders
    {
        get
        {
            // RFC 6455 §4.1, requirements 5, 6, 7, 9, 10 and 11. RFC 8441 §5: the first three have no place in HTTP/2.
            if (!IsHttp2)
            {
                yield return new(HandshakeHeaders.Connection, HandshakeHeaders.Upgrade);
                yield return new(HandshakeHeaders.Upgrade, HandshakeHeaders.WebSocket);
                yield return new(HandshakeHeaders.Key, _key);
            }

            yield return new(HandshakeHeaders.Version, HandshakeHeaders.Version13);
            if (_subprotocols.Count > 0)
            {
                yield return new(HandshakeHeaders.Protocol, string.Join(", ", _subprotocols));
            }

            if (_extensions.Count > 0)
            {
                yield return new(HandshakeHeaders.Extensions, string.Join(", ", _extensions));
            }
        }
    }

    /// <summary>Judges the server's answer (RFC 6455 §4.1, the client's checks 1 to 6; RFC 8441 §5: on HTTP/2 a 200 stands for 2 to 4).</summary>
    public ClientHandshakeVerdict Judge(in ClientHandshakeResponse response)
    {
        if (response.StatusCode != (IsHttp2 ? 200 : 101))
        {
            return Fail(ClientHandshakeFailure.Status, StatusReason(response));
        }

        if (!IsHttp2 && FindUpgradeFailure(response) is { } failure)
        {
            return failure;
        }

        if (FindExtensionError(response.Extensions, out List<Extension> extensions, out DeflateParameters? deflate) is { } extensionError)
        {
            return Fail(ClientHandshakeFailure.Extension, extensionError);
        }

        return FindSubprotocolError(response.Subprotocol, out string? subprotocol) is { } subprotocolError
            ? Fail(ClientHandshakeFailure.Subprotocol, subprotocolError)
            : ClientHandshakeVerdict.Accepted(subprotocol, extensions, deflate);
    }

    private ClientHandshakeVerdict? FindUpgradeFailure(in ClientHandshakeResponse response)
    {
        // Check 2: the one value "websocket", in any ASCII case.
        if (response.Upgrade.Count != 1 || !Ascii.EqualsIgnoreCase(HeaderList.Trim(response.Upgrade[0]), HandshakeHeaders.WebSocket))
        {
            return Fail(ClientHandshakeFailure.Upgrade, $"{Describe(HandshakeHeaders.Upgrade, response.Upgrade)}; expected \"websocket\" (RFC 6455 §4.1).");
        }

        // Check 3: "Upgrade" among the options.
        if (!HeaderList.ContainsIgnoreCase(response.Connection, HandshakeHeaders.Upgrade))
        {
            return Fail(ClientHandshakeFailure.Connection, $"{Describe(HandshakeHeaders.Connection, response.Connection)}; expected it to contain \"Upgrade\" (RFC 6455 §4.1).");
        }

        // Check 4: proof that the server read this very key, and not a cache answered.
        string accept = HandshakeKey.ComputeAccept(_key);
        return response.Accept.Count == 1 && HeaderList.Trim(response.Accept[0]).SequenceEqual(accept)
            ? null
            : Fail(ClientHandshakeFailure.Accept, $"{Describe(HandshakeHeaders.Accept, response.Accept)}; the answer to our key is \"{accept}\" (RFC 6455 §4.1).");
    }

    // Check 5: nothing that was not offered.
    private string? FindExtensionError(IReadOnlyList<string> values, out List<Extension> extensions, out DeflateParameters? deflate)
    {
        extensions = [];
        deflate = null;
        if (!ExtensionHeader.TryParse(values, extensions, out string? error, out _))
        {
            return $"The server's {HandshakeHeaders.Extensions} {error} (RFC 6455 §9.1).";
        }

        foreach (Extension extension in extensions)
        {
            if (!_extensions.Any(offer => string.Equals(offer.Name, extension.Name, StringComparison.Ordinal)))
            {
                return $"The server chose the extension {PeerText.Quote(extension.Name)}, which was not offered (RFC 6455 §4.1).";
            }

            if (extension.Name != DeflateParameters.ExtensionName)
            {
                continue;
            }

            // RFC 7692 §5, §7.1: an answer that cannot be followed fails the connection, and so do two of them.
            if (deflate is not null)
            {
                return $"The server chose {DeflateParameters.ExtensionName} twice (RFC 7692 §5).";
            }

            if (DeflateNegotiation.FindError(_extensions, extension, out DeflateParameters parameters) is { } deflateError)
            {
                return $"The server's {DeflateParameters.ExtensionName} {deflateError} (RFC 7692 §7.1).";
            }

            deflate = parameters;
        }

        return null;
    }

    // Check 6: at most one, and one that was offered, compared with case. None is an answer too.
    private string? FindSubprotocolError(IReadOnlyList<string> values, out string? subprotocol)
    {
        subprotocol = null;
        if (values.Count == 0)
        {
            return null;
        }

        if (values.Count > 1)
        {
            return $"The server answered {HandshakeHeaders.Protocol} {values.Count} times; expected it at most once (RFC 6455 §11.3.4).";
        }

        string answer = HeaderList.Trim(values[0]).ToString();
        if (!_subprotocols.Contains(answer, StringComparer.Ordinal))
        {
            return _subprotocols.Count == 0
                ? $"The server chose the subprotocol {PeerText.Quote(answer)}, but none was offered (RFC 6455 §4.1)."
                : $"The server chose the subprotocol {PeerText.Quote(answer)}; offered were {string.Join(", ", _subprotocols)} (RFC 6455 §4.1).";
        }

        subprotocol = answer;
        return null;
    }

    private string StatusReason(in ClientHandshakeResponse response)
    {
        string phrase = string.IsNullOrWhiteSpace(response.ReasonPhrase) ? "" : $" {PeerText.Quote(response.ReasonPhrase)}";
        string hint = response.StatusCode switch
        {
            >= 200 and < 300 => " It is an HTTP server, but at this URL it speaks no WebSocket.",
            >= 300 and < 400 => RedirectHint(response.Location),
            401 => " It wants to know who connects: set Credentials, a cookie, or an Authorization header.",
            403 => " It refuses this client: a server may ask for a known Origin, or for other credentials.",
            404 => " There is nothing at this path.",
            400 or 405 or 501 when IsHttp2 => " It may take no CONNECT here: let its routes take that method, or set HttpVersion to 1.1.",
            407 => " The proxy wants to know who connects: set the credentials of Proxy.",
            426 => " It wants another protocol, or another version than 13.",
            429 or 503 => " It is overloaded or going down: try again later, after Retry-After if it is given.",
            _ => "",
        };
        return $"The server answered {response.StatusCode}{phrase}; expected {(IsHttp2 ? 200 : 101)}.{hint}";
    }

    /// <summary>What to do about a redirect, behind the sentence that tells of it.</summary>
    /// <param name="location">Where it leads, as it may be shown; null if it does not say.</param>
    internal static string RedirectHint(string? location) =>
        $" It redirects{(location is null ? "" : $" to {PeerText.Quote(location)}")}, which a WebSocket does not follow: connect to the URL in its Location header.";

    private static string Describe(string header, IReadOnlyList<string> values) => values.Count == 0
        ? $"The server's answer has no {header} header"
        : $"The server's {header} is {PeerText.Quote(values)}";

    private static ClientHandshakeVerdict Fail(ClientHandshakeFailure failure, string reason) => ClientHandshakeVerdict.Failed(failure, reason);
}
