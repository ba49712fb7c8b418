using System.Text;

namespace Duologue.Client;

/// <summary>Writes out the heads of HTTP/2, which are compressed on the wire (RFC 9113 §8.3), as text for <see cref="HandshakeTrace"/>.</summary>
internal static class FieldList
{
    /// <summary>The head of an extended CONNECT (RFC 8441 §4).</summary>
    /// <param name="request">As it was sent.</param>
    /// <param name="cookies">What the handler adds from the cookies; "" if nothing.</param>
    public static string Write(HttpRequestMessage request, string cookies)
    {
        Uri uri = request.RequestUri!;
        var text = new StringBuilder();
        Add(text, ":method", request.Method.Method);
        Add(text, ":protocol", request.Headers.Protocol!);
        Add(text, ":scheme", uri.Scheme == "wss" ? "https" : "http");
        Add(text, ":authority", request.Headers.Host ?? uri.Authority);
        Add(text, ":path", uri.PathAndQuery);
        foreach ((string name, var values) in request.Headers.NonValidated)
        {
            if (!name.Equals("Host", StringComparison.OrdinalIgnoreCase))
            {
                AddAll(text, name, values);
            }
        }

        if (cookies.Length > 0)
        {
            Add(text, "cookie", cookies);
        }

        return text.Append("\r\n").ToString();
    }

    /// <summary>The head of an answer.</summary>
    public static string Write(HttpResponseMessage response)
    {
        var text = new StringBuilder();
        Add(text, ":status", $"{(int)response.StatusCode}");
        foreach ((string name, var values) in response.Headers.NonValidated.Concat(response.Content.Headers.NonValidated))
        {
            AddAll(text, name, values);
        }

        return text.Append("\r\n").ToString();
    }

    private static void AddAll(StringBuilder text, string name, IEnumerable<string> values)
    {
        foreach (string value in values)
        {
            Add(text, name, value);
        }
    }

    // RFC 9113 §8.2: names are in lower case.
#pragma warning disable CA1308 // Nothing is compared by it.
    private static void Add(StringBuilder text, string name, string value) =>
        text.Append(name.ToLowerInvariant()).Append(": ").Append(value).Append("\r\n");
#pragma warning restore CA1308
}
