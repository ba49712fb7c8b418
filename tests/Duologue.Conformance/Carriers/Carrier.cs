using Duologue.EventLoop;

namespace Duologue.Conformance.Carriers;

/// <summary>What lies under the WebSocket. The list is open: a new carrier is a member here and a class in <c>SuiteTests.cs</c>.</summary>
internal enum Carrier
{
    /// <summary>HTTP/1.1 in clear text (RFC 6455 §4).</summary>
    Http1,

    /// <summary>HTTP/1.1 over TLS.</summary>
    Http1Tls,

    /// <summary>An HTTP/2 stream in clear text (RFC 8441).</summary>
    Http2,

    /// <summary>An HTTP/2 stream over TLS (RFC 8441).</summary>
    Http2Tls,

    /// <summary>HTTP/1.1 in clear text, on the event loop with io_uring: the server's socket leaves Kestrel after the handshake.</summary>
    IoUring,

    /// <summary>The same with epoll.</summary>
    Epoll,
}

internal static class CarrierExtensions
{
    public static bool IsTls(this Carrier carrier) => carrier is Carrier.Http1Tls or Carrier.Http2Tls;

    public static bool IsHttp2(this Carrier carrier) => carrier is Carrier.Http2 or Carrier.Http2Tls;

    /// <summary>Which backend of the event loop carries it; null for Kestrel's own sockets.</summary>
    public static EventLoopBackend? Backend(this Carrier carrier) => carrier switch
    {
        Carrier.IoUring => EventLoopBackend.IoUring,
        Carrier.Epoll => EventLoopBackend.Epoll,
        _ => null,
    };

    /// <summary>As it stands in the report.</summary>
    public static string Name(this Carrier carrier) => carrier switch
    {
        Carrier.Http1 => "HTTP/1.1",
        Carrier.Http1Tls => "HTTP/1.1 TLS",
        Carrier.Http2 => "HTTP/2",
        Carrier.Http2Tls => "HTTP/2 TLS",
        Carrier.IoUring => "io_uring",
        Carrier.Epoll => "epoll",
        _ => throw new ArgumentOutOfRangeException(nameof(carrier), carrier, null),
    };
}
