using System.Globalization;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Http;

namespace Duologue.Redis;

/// <summary>
/// A poll that is cut ends its session, so that a node which stops waits for those that it has forwarded. Their owner is asked to hold none of them for long, and is told when the node stops: it then answers with what
/// there is, or with nothing, so that the client asks again, elsewhere.
/// </summary>
internal static class HeldPoll
{
    private const string End = "duologue-end";

    /// <summary>Whether an answer may be held for a while.</summary>
    public static bool Is(HttpRequest request)
    {
        EngineIoQuery query = EngineIoQuery.Read(request);
        return HttpMethods.IsGet(request.Method) && query.Transport == EngineIoQuery.Polling && query.IsWaitValid && query.Wait != TimeSpan.Zero;
    }

    /// <summary>The query with which a request is forwarded.</summary>
    /// <param name="request">The request.</param>
    /// <param name="longest">How long a poll may be held at most; null for as long as it asks for.</param>
    public static QueryString Shorten(HttpRequest request, TimeSpan? longest) =>
        longest is { } limit && Is(request) && !(EngineIoQuery.Read(request).Wait <= limit) ? request.QueryString.Add("wait", limit.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture)) : request.QueryString;

    /// <summary>Where a node asks for the end of a poll that it has forwarded.</summary>
    /// <param name="node">The owner's address.</param>
    /// <param name="nonce">The number of the poll's mark.</param>
    public static Uri EndOf(Uri node, long nonce) => new UriBuilder(node) { Query = string.Create(CultureInfo.InvariantCulture, $"{End}={nonce:x}") }.Uri;

    /// <summary>Reads such a request.</summary>
    public static bool TryReadEnd(HttpRequest request, out long nonce)
    {
        nonce = 0;
        return HttpMethods.IsDelete(request.Method) && long.TryParse(request.Query[End], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out nonce);
    }
}
