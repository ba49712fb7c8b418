using System.Diagnostics;
using System.Net;
using System.Security.Claims;

namespace Duologue;

/// <summary>
/// What a server keeps of the opening request. It outlives the request; everything else of the request ends with it.
/// </summary>
public sealed class RequestInfo
{
    private ClaimsPrincipal? _user;

    // Boxed: most connections are not traced, and each would pay for five words.
    private readonly object? _traceContext;

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

    /// <summary>
    /// The trace of the opening request, if somebody records it; else default. Link to it from what a handler traces: a conversation may last
    /// for days, which is too long for one trace. Source: the headers <c>traceparent</c> and <c>tracestate</c> (W3C Trace Context).
    /// </summary>
    public ActivityContext TraceContext
    {
        get => _traceContext is ActivityContext context ? context : default;
        init => _traceContext = value == default ? null : value;
    }

    /// <summary>The request headers that the endpoint asked to keep, by name without case; others are not here.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = System.Collections.Frozen.FrozenDictionary<string, string>.Empty;
}
