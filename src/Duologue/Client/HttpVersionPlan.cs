using System.Net;

namespace Duologue.Client;

/// <summary>Which versions of HTTP an opening handshake tries. The meaning of the options is that of <c>ClientWebSocketOptions</c>.</summary>
/// <param name="TriesHttp2">Whether it begins with HTTP/2.</param>
/// <param name="MayUseHttp1">Whether it may end with HTTP/1.1.</param>
internal readonly record struct HttpVersionPlan(bool TriesHttp2, bool MayUseHttp1)
{
    /// <summary>Plans for a <c>ws</c> or <c>wss</c> URI.</summary>
    public static HttpVersionPlan For(Uri uri, Version version, HttpVersionPolicy policy)
    {
        // TLS tells what the server speaks (ALPN). In clear text only prior knowledge helps (RFC 9113 §3.3): whoever leaves a choice has none.
        bool isSecure = uri.Scheme == "wss";
        if (version == HttpVersion.Version20)
        {
            bool orLower = policy == HttpVersionPolicy.RequestVersionOrLower;
            return new(isSecure || !orLower, orLower);
        }

        return new(isSecure && policy == HttpVersionPolicy.RequestVersionOrHigher, true);
    }
}
