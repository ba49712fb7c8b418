using System.Globalization;
using System.Text;

namespace Duologue.Browser;

/// <summary>A parsed URL with a special scheme; every part is in its one serialized form. Source: WHATWG URL §4.1.</summary>
internal sealed record UrlRecord
{
    public required string Scheme { get; init; }

    /// <summary>Percent-encoded; empty if none.</summary>
    public string UserName { get; init; } = "";

    /// <summary>Percent-encoded; empty if none.</summary>
    public string Password { get; init; } = "";

    /// <summary>Lower case, punycode; an IPv6 address in brackets.</summary>
    public required string Host { get; init; }

    /// <summary>Null if it is the scheme's default.</summary>
    public int? Port { get; init; }

    public required IReadOnlyList<string> Path { get; init; }

    /// <summary>Percent-encoded, without the question mark; null if there is none, which is not the same as empty.</summary>
    public string? Query { get; init; }

    public bool IsSecure => Scheme is "wss" or "https";

    public int EffectivePort => Port ?? DefaultPort(Scheme);

    /// <summary>Scheme, host and port.</summary>
    public string Origin => Port is int port
        ? string.Create(CultureInfo.InvariantCulture, $"{Scheme}://{Host}:{port}")
        : $"{Scheme}://{Host}";

    /// <summary>The URL without its user info, so that a password gets into no log.</summary>
    public string Href => $"{Origin}/{string.Join('/', Path)}{(Query is null ? "" : "?" + Query)}";

    /// <summary>The value of an Authorization header made of the user info (RFC 7617 §2), or null if there is none.</summary>
    public string? BasicCredentials
    {
        get
        {
            if (UserName.Length == 0 && Password.Length == 0)
            {
                return null;
            }

            byte[] pair = [.. PercentEncoding.Decode(UserName), (byte)':', .. PercentEncoding.Decode(Password)];
            return "Basic " + Convert.ToBase64String(pair);
        }
    }

    public static int DefaultPort(string scheme) => scheme is "wss" or "https" ? 443 : 80;

    /// <summary>The same URL as .NET wants it, path and query untouched; null where System.Uri knows no such host.</summary>
    public Uri? ToUri()
    {
        var asWritten = new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true };
        return Uri.TryCreate(Href, asWritten, out Uri? uri) ? uri : null;
    }

    public override string ToString() => Href;

    // The generated one would print the password.
    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append(Href);
        return true;
    }
}
