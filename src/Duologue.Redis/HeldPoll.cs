using System.Globalization;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Http;

namespace Duologue.Redis;

/// <summary>A poll that is cut ends its session, so that a node which stops waits for those that it has forwarded: their owner is asked to hold none of them for long.</summary>
internal static class HeldPoll
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    /// <summary>The query with which a request is forwarded.</summary>
    public static QueryString Shorten(HttpRequest request)
    {
        EngineIoQuery query = EngineIoQuery.Read(request);
        bool isHeld = HttpMethods.IsGet(request.Method) && query.Transport == EngineIoQuery.Polling && query.IsWaitValid && !(query.Wait <= Longest);
        return isHeld ? request.QueryString.Add("wait", Longest.TotalSeconds.ToString(CultureInfo.InvariantCulture)) : request.QueryString;
    }
}
