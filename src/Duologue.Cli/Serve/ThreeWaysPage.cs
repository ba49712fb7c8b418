using System.Globalization;

namespace Duologue.Cli.Serve;

/// <summary>What the page <c>/three-ways</c> asks of the server, beside its topic.</summary>
internal static class ThreeWaysPage
{
    public const string Path = "/three-ways";
    private const string HeadPath = Path + "/head";

    /// <summary>Says how long the head of a browser's request is: no script of a page may see what its browser sends.</summary>
    public static void MapHeadSize(this IEndpointRouteBuilder endpoints) => endpoints.MapGet(HeadPath, static context =>
    {
        context.Response.ContentType = "text/plain";
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsync(Measure(context.Request).ToString(CultureInfo.InvariantCulture), context.RequestAborted);
    });

    /// <summary>The bytes of a request's head, as HTTP/1.1 writes it. Source: RFC 9112 §2.1.</summary>
    internal static int Measure(HttpRequest request)
    {
        // "GET /target HTTP/1.1", a line for each field, "name: value", and an empty one; each ends with CR LF.
        int length = request.Method.Length + 1 + request.Path.Value!.Length + request.QueryString.Value!.Length + " HTTP/1.1".Length + 2;
        foreach ((string name, Microsoft.Extensions.Primitives.StringValues values) in request.Headers)
        {
            foreach (string? value in values)
            {
                length += name.Length + 2 + (value?.Length ?? 0) + 2;
            }
        }

        return length + 2;
    }
}
