using System.Diagnostics;

namespace Duologue.Client;

/// <summary>The headers that the options add to each request of an opening.</summary>
internal static class RequestHeaders
{
    public static void Add(HttpRequestMessage request, Uri uri, ConnectOptions options)
    {
        if (options.Origin is not null)
        {
            request.Headers.TryAddWithoutValidation("Origin", options.Origin);
        }

        foreach ((string name, string value) in options.Headers)
        {
            bool added = request.Headers.TryAddWithoutValidation(name, value);
            Debug.Assert(added, "ConnectOptions.Validate lets only request headers through.");
        }

        if (!request.Headers.NonValidated.Contains("Authorization"))
        {
            request.Headers.Authorization = WebSocketUri.Authorization(uri);
        }
    }
}
