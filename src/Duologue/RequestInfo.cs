using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Claims;

namespace Duologue;

/// <summary>
/// What a server keeps of the opening request. It outlives the request; everything else of the request ends with it.
/// </summary>
public sealed class RequestInfo
{
    private const long Known = 1L << 48;
    private const long Mapped = 1L << 49;

    // An idle connection keeps this object: an IPv4 address and its port are one number, and what most requests have not lies apart.
    private readonly long _address;
    private More? _more;

    /// <summary>Makes one of nobody's request.</summary>
    public RequestInfo()
    {
    }

    internal RequestInfo(ClaimsPrincipal? user)
    {
        if (user is not null)
        {
            Extra.User = user;
        }
    }

    /// <summary>The request's path, unescaped, path base included.</summary>
    public required string Path { get; init; }

    /// <summary>The query string with its question mark, or "".</summary>
    public string QueryString
    {
        get => _more?.QueryString ?? "";
        init
        {
            if (value.Length > 0)
            {
                Extra.QueryString = value;
            }
        }
    }

    /// <summary>The value of the Origin header, or null: a client that is no browser sends none.</summary>
    public string? Origin
    {
        get => _more?.Origin;
        init
        {
            if (value is not null)
            {
                Extra.Origin = value;
            }
        }
    }

    /// <summary>Who authentication says the client is; unauthenticated if nobody.</summary>
    public ClaimsPrincipal User
    {
        get => Extra.User ??= new ClaimsPrincipal(new ClaimsIdentity());
        init => Extra.User = value;
    }

    /// <summary>The peer's address and port, as far as the server knows it; null on a Unix socket.</summary>
    public IPEndPoint? RemoteEndPoint
    {
        get => _address == 0 ? _more?.RemoteEndPoint : Unpack(_address);
        init
        {
            if (value is not null && (_address = Pack(value)) == 0)
            {
                Extra.RemoteEndPoint = value;
            }
        }
    }

    /// <summary>
    /// The trace of the opening request, if somebody records it; else default. Link to it from what a handler traces: a conversation may last
    /// for days, which is too long for one trace. Source: the headers <c>traceparent</c> and <c>tracestate</c> (W3C Trace Context).
    /// </summary>
    public ActivityContext TraceContext
    {
        get => _more?.TraceContext ?? default;
        init
        {
            if (value != default)
            {
                Extra.TraceContext = value;
            }
        }
    }

    /// <summary>The request headers that the endpoint asked to keep, by name without case; others are not here.</summary>
    public IReadOnlyDictionary<string, string> Headers
    {
        get => _more?.Headers ?? System.Collections.Frozen.FrozenDictionary<string, string>.Empty;
        init
        {
            if (value.Count > 0)
            {
                Extra.Headers = value;
            }
        }
    }

    /// <summary>
    /// What the request's path has for the parameters of the endpoint's pattern, unescaped but for <c>%2F</c>, by name without case: of <c>/rooms/{room}</c> the
    /// value of <c>room</c>. Empty for a pattern without parameters.
    /// </summary>
    public IReadOnlyDictionary<string, string> RouteValues
    {
        get => _more?.RouteValues ?? System.Collections.Frozen.FrozenDictionary<string, string>.Empty;
        init
        {
            if (value.Count > 0)
            {
                Extra.RouteValues = value;
            }
        }
    }

    /// <summary>Whether somebody is known: to ask for <see cref="User"/> makes one.</summary>
    internal bool HasUser => _more?.User is not null;

    private More Extra => _more ?? Interlocked.CompareExchange(ref _more, new More(), null) ?? _more;

    private static long Pack(IPEndPoint endPoint)
    {
        bool mapped = endPoint.Address.IsIPv4MappedToIPv6;
        if (!mapped && endPoint.AddressFamily != AddressFamily.InterNetwork)
        {
            return 0;
        }

        Span<byte> bytes = stackalloc byte[4];
        (mapped ? endPoint.Address.MapToIPv4() : endPoint.Address).TryWriteBytes(bytes, out _);
        return BinaryPrimitives.ReadUInt32BigEndian(bytes) | ((long)endPoint.Port << 32) | Known | (mapped ? Mapped : 0);
    }

    private static IPEndPoint Unpack(long packed)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)packed);
        var address = new IPAddress(bytes);
        return new IPEndPoint((packed & Mapped) != 0 ? address.MapToIPv6() : address, (int)(packed >> 32) & 0xFFFF);
    }

    private sealed class More
    {
        public string? QueryString;
        public string? Origin;
        public ClaimsPrincipal? User;
        public IPEndPoint? RemoteEndPoint;
        public ActivityContext TraceContext;
        public IReadOnlyDictionary<string, string>? Headers;
        public IReadOnlyDictionary<string, string>? RouteValues;
    }
}
