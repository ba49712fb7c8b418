using System.Net;
using System.Security.Claims;

namespace Duologue;

/// <summary>
/// What a server keeps of the opening request. It outlives the request; everything else of the request ends with it.
/// </summary>
public sealed class RequestInfo
{
    private ClaimsPrincipal? _user;

    /// <summary>The request's path, unescaped, path base included.</summary>
    public required string Path { get; init; }

    /// <summary>The query string with its question mark, or "".</summary>
    public string QueryString { get; init; } = "";

    /// <summary>The value of the Origin header, or null: a client that is no browser sends none.</summary>
    public string? Origin { get; init; }

    /// <summary>Who authentication says the client is; unauthenticated if nobody.</summary>
    public ClaimsPrincipal User
    {
        get => _user ??= new ClaimsPrincipal();
        init => _user = value;
    }

    /// <summary>The peer's address and port, as far as the server knows it; null on a Unix socket.</summary>
    public IPEndPoint? RemoteEndPoint { get; init; }

    /// <summary>The request headers that the endpoint asked to keep, by name without case; others are not here.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = System.Collections.Frozen.FrozenDictionary<string, string>.Empty;
}
