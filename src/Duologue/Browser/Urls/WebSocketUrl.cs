using System.Buffers;
using System.Globalization;

namespace Duologue.Browser;

/// <summary>
/// Parses the URL given to a <see cref="WebSocket"/> as browsers do. System.Uri differs in what it accepts and in how it
/// writes it: <c>ws:host</c>, tabs and line ends, IPv4 in octal, queries, dots in paths. Source: WHATWG URL §4.4.
/// </summary>
internal static class WebSocketUrl
{
    private static readonly SearchValues<char> SchemeCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    /// <summary>Parses, resolves against the base and rewrites http to ws and https to wss (WHATWG WebSockets §3.1).</summary>
    /// <param name="url">Absolute, or relative if there is a base.</param>
    /// <param name="baseUrl">An absolute ws, wss, http or https URL; null for none.</param>
    /// <exception cref="DomException">A SyntaxError that says what is wrong.</exception>
    public static UrlRecord Parse(string url, string? baseUrl)
    {
        UrlRecord? parsedBase = baseUrl is null ? null : ParseAny(baseUrl, null, out _);
        UrlRecord parsed = ParseAny(url, parsedBase, out bool hasFragment);
        if (hasFragment)
        {
            throw DomException.Syntax("The URL of a WebSocket must not have a fragment: remove the '#' and what follows, or write it as '%23'.");
        }

        return parsed with { Scheme = parsed.IsSecure ? "wss" : "ws" };
    }

    private static UrlRecord ParseAny(string url, UrlRecord? baseUrl, out bool hasFragment)
    {
        string input = Clean(url);
        int fragment = input.IndexOf('#', StringComparison.Ordinal);
        hasFragment = fragment >= 0;
        input = hasFragment ? input[..fragment] : input;

        int schemeLength = SchemeLength(input);
        if (schemeLength < 0)
        {
            return baseUrl is null
                ? throw DomException.Syntax($"'{Shorten(input)}' is not an absolute URL: begin it with ws: or wss:, or set WebSocketOptions.BaseUrl.")
                : ParseRelative(input, baseUrl);
        }

        string scheme = input[..schemeLength].ToLowerInvariant();
        if (scheme is not ("ws" or "wss" or "http" or "https"))
        {
            throw DomException.Syntax($"The URL's scheme is '{Shorten(scheme)}'; it must be ws, wss, http or https.");
        }

        string rest = input[(schemeLength + 1)..];
        bool relativeToBase = scheme == baseUrl?.Scheme && !rest.StartsWith("//", StringComparison.Ordinal);
        return relativeToBase ? ParseRelative(rest, baseUrl!) : ParseAuthority(rest, scheme);
    }

    /// <summary>Strips what surrounds a URL, and the tabs and line ends inside it.</summary>
    private static string Clean(string url)
    {
        int start = 0;
        int end = url.Length;
        while (start < end && url[start] <= ' ')
        {
            start++;
        }

        while (end > start && url[end - 1] <= ' ')
        {
            end--;
        }

        string inner = url[start..end];
        return inner.AsSpan().IndexOfAny("\t\n\r") < 0
            ? inner
            : string.Concat(inner.Where(static c => c is not ('\t' or '\n' or '\r')));
    }

    private static int SchemeLength(string input)
    {
        if (input.Length == 0 || !char.IsAsciiLetter(input[0]))
        {
            return -1;
        }

        int end = input.AsSpan().IndexOfAnyExcept(SchemeCharacters);
        return end >= 0 && input[end] == ':' ? end : -1;
    }

    private static UrlRecord ParseRelative(string input, UrlRecord baseUrl)
    {
        if (input.Length == 0)
        {
            return baseUrl;
        }

        if (IsSlash(input[0]))
        {
            return input.Length > 1 && IsSlash(input[1])
                ? ParseAuthority(input, baseUrl.Scheme)
                : WithPathAndQuery(baseUrl, [], input[1..]);
        }

        if (input[0] == '?')
        {
            return baseUrl with { Query = PercentEncoding.EncodeQuery(input.AsSpan(1)) };
        }

        // The base's path is never empty, so the last segment is what a relative path replaces.
        return WithPathAndQuery(baseUrl, baseUrl.Path.SkipLast(1), input);
    }

    /// <summary>Any number of slashes, then user info, host and port, then the rest.</summary>
    private static UrlRecord ParseAuthority(string input, string scheme)
    {
        string afterSlashes = input.TrimStart('/', '\\');
        int end = afterSlashes.AsSpan().IndexOfAny("/\\?");
        string authority = end < 0 ? afterSlashes : afterSlashes[..end];
        string rest = end < 0 ? "" : afterSlashes[end..];

        string userName = "";
        string password = "";
        int at = authority.LastIndexOf('@');
        if (at >= 0)
        {
            ReadOnlySpan<char> userInfo = authority.AsSpan(0, at);
            int colon = userInfo.IndexOf(':');
            userName = PercentEncoding.EncodeUserInfo(colon < 0 ? userInfo : userInfo[..colon]);
            password = colon < 0 ? "" : PercentEncoding.EncodeUserInfo(userInfo[(colon + 1)..]);
        }

        (string host, int? port) = ParseHostAndPort(authority[(at + 1)..], scheme);
        var url = new UrlRecord { Scheme = scheme, UserName = userName, Password = password, Host = host, Port = port, Path = [""] };
        return WithPathAndQuery(url, [], rest.Length > 0 && IsSlash(rest[0]) ? rest[1..] : rest);
    }

    private static (string Host, int? Port) ParseHostAndPort(string text, string scheme)
    {
        // A colon inside the brackets of an IPv6 address begins no port.
        int afterBrackets = text.StartsWith('[') ? Math.Max(text.IndexOf(']', StringComparison.Ordinal), 0) : 0;
        int colon = text.IndexOf(':', afterBrackets);
        string host = colon < 0 ? text : text[..colon];
        if (host.Length == 0)
        {
            throw DomException.Syntax("The URL has no host: write it as ws://host/path.");
        }

        string portText = colon < 0 ? "" : text[(colon + 1)..];
        string parsedHost = UrlHost.Parse(host);
        if (portText.Length == 0)
        {
            return (parsedHost, null);
        }

        bool isNumber = portText.All(char.IsAsciiDigit);
        if (!isNumber || !ushort.TryParse(portText.TrimStart('0').PadLeft(1, '0'), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            throw DomException.Syntax($"The URL's port '{Shorten(portText)}' is not a number from 0 to 65535.");
        }

        return (parsedHost, port == UrlRecord.DefaultPort(scheme) ? null : port);
    }

    private static UrlRecord WithPathAndQuery(UrlRecord url, IEnumerable<string> parent, string pathAndQuery)
    {
        int question = pathAndQuery.IndexOf('?', StringComparison.Ordinal);
        string path = question < 0 ? pathAndQuery : pathAndQuery[..question];
        string? query = question < 0 ? null : PercentEncoding.EncodeQuery(pathAndQuery.AsSpan(question + 1));
        return url with { Path = ParsePath([.. parent], path), Query = query };
    }

    private static List<string> ParsePath(List<string> segments, string path)
    {
        string[] parts = path.Split('/', '\\');
        for (int i = 0; i < parts.Length; i++)
        {
            bool isLast = i == parts.Length - 1;
            string part = PercentEncoding.EncodePath(parts[i]);
            switch (part.Replace("%2e", ".", StringComparison.OrdinalIgnoreCase))
            {
                case "..":
                    if (segments.Count > 0)
                    {
                        segments.RemoveAt(segments.Count - 1);
                    }

                    if (isLast)
                    {
                        segments.Add("");
                    }

                    break;
                case ".":
                    if (isLast)
                    {
                        segments.Add("");
                    }

                    break;
                default:
                    segments.Add(part);
                    break;
            }
        }

        return segments;
    }

    // In a special scheme a backslash is a slash.
    private static bool IsSlash(char c) => c is '/' or '\\';

    private static string Shorten(string text) => text.Length <= 40 ? text : text[..40] + "…";
}
