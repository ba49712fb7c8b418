using Duologue.Client;

namespace Duologue;

/// <summary>
/// TCP connections that speak HTTP/2 and that WebSockets share: each is a stream, and a server that is connected to already takes one more
/// without another TCP and TLS handshake. Give it to <see cref="ConnectOptions.Pool"/>. Thread-safe. Source: RFC 8441.
/// </summary>
/// <remarks>
/// <para>One pool serves any number of servers. When a server's limit on streams is reached (Kestrel's is 100), another TCP connection is made.</para>
/// <para>
/// Proxy, credentials, cookies, TLS and the limit on heads belong to the TCP connection: those of the first connect call are the pool's, and a call
/// that brings others is refused with an <see cref="ArgumentException"/>. Make the options once and vary them by <c>with</c>.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using var pool = new HttpConnectionPool();
/// var options = new ConnectOptions { HttpVersion = HttpVersion.Version20, Pool = pool };
/// await using Connection prices = await Connection.ConnectAsync(new Uri("wss://example.com/prices"), options);
/// await using Connection orders = await Connection.ConnectAsync(new Uri("wss://example.com/orders"), options);
/// </code>
/// </example>
public sealed class HttpConnectionPool : IDisposable
{
    private readonly Lock _lock = new();
    private ConnectOptions? _options;
    private HttpMessageInvoker? _invoker;
    private bool _disposed;

    /// <summary>
    /// Ends TCP connections that carry nothing at once, and the others when their last WebSocket ends: open conversations go on.
    /// Connecting with the pool is an <see cref="ObjectDisposedException"/> from then on.
    /// </summary>
    public void Dispose()
    {
        HttpMessageInvoker? invoker;
        lock (_lock)
        {
            _disposed = true;
            (invoker, _invoker) = (_invoker, null);
        }

        invoker?.Dispose();
    }

    /// <summary>What sends the request of one handshake.</summary>
    /// <exception cref="ArgumentException">An option that is the TCP connection's is not that of the pool.</exception>
    /// <exception cref="ObjectDisposedException">The pool is disposed.</exception>
    internal HttpMessageInvoker GetInvoker(ConnectOptions options)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_options is not null && HandshakeHandler.FindDifference(_options, options) is { } name)
            {
                throw new ArgumentException(
                    $"{name} is another than that with which the Pool was first used, and TCP connections made with that are shared; use a pool for each, or vary one ConnectOptions by with.",
                    name);
            }

            _options ??= options;
            return _invoker ??= Create(options);
        }
    }

    private static HttpMessageInvoker Create(ConnectOptions options)
    {
        SocketsHttpHandler handler = HandshakeHandler.Create(options);

        // A connection outlives the handshake that wanted it first: that one's cancellation is not the connection's.
        HandshakeHandler.ConnectBy(handler, options, progress: null);
        return new HttpMessageInvoker(handler);
    }
}
