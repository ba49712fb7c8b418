using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Duologue.Cli.Terminal;
using Microsoft.AspNetCore.Http.Headers;
using Microsoft.Net.Http.Headers;

namespace Duologue.Cli.Serve;

/// <summary>The page's files, which the tool carries within itself.</summary>
internal static class PageAssets
{
    private const string Prefix = "page/";

    // Everything the page needs is of its own origin; whatever a message might smuggle in has nowhere to load from or to run.
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly (string Extension, string ContentType)[] Types =
    [
        (".html", "text/html; charset=utf-8"),
        (".css", "text/css; charset=utf-8"),
        (".js", "text/javascript; charset=utf-8"),
        (".svg", "image/svg+xml"),
    ];

    /// <summary>Maps the talk's page at <c>/</c>, that of the three ways at its own path, and their files below <c>/page/</c>.</summary>
    public static void MapPage(this IEndpointRouteBuilder endpoints)
    {
        Assembly assembly = typeof(PageAssets).Assembly;
        foreach (string name in assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            Asset asset = Load(assembly, name);
            string path = name switch { "page/index.html" => "/", "page/three-ways.html" => ThreeWaysPage.Path, _ => "/" + name };
            endpoints.MapMethods(path, [HttpMethods.Get, HttpMethods.Head], asset.WriteAsync);
        }
    }

    private static Asset Load(Assembly assembly, string name)
    {
        using Stream stream = assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"The tool lacks its file {name}.");
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        if (name.EndsWith(".html", StringComparison.Ordinal))
        {
            string page = Encoding.UTF8.GetString(content);
            foreach (string command in (string[])["connect", "compare"])
            {
                page = page.Replace($"duologue {command}", $"{ToolInvocation.Elsewhere} {command}", StringComparison.Ordinal);
            }

            content = Encoding.UTF8.GetBytes(page);
        }

        string type = Types.First(type => name.EndsWith(type.Extension, StringComparison.Ordinal)).ContentType;
        return new(content, type, new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(content).AsSpan(0, 12))}\""));
    }

    private sealed class Asset(byte[] content, string type, EntityTagHeaderValue tag)
    {
        public Task WriteAsync(HttpContext context)
        {
            HttpResponse response = context.Response;
            ResponseHeaders headers = response.GetTypedHeaders();
            headers.ETag = tag;
            headers.CacheControl = new CacheControlHeaderValue { NoCache = true };
            response.Headers.ContentSecurityPolicy = ContentSecurityPolicy;
            response.Headers.XContentTypeOptions = "nosniff";
            response.Headers["Referrer-Policy"] = "no-referrer";
            if (context.Request.GetTypedHeaders().IfNoneMatch.Any(known => known.Compare(tag, useStrongComparison: false)))
            {
                response.StatusCode = StatusCodes.Status304NotModified;
                return Task.CompletedTask;
            }

            response.ContentType = type;
            response.ContentLength = content.Length;
            return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : response.Body.WriteAsync(content, context.RequestAborted).AsTask();
        }
    }
}
