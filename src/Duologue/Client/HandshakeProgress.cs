namespace Duologue.Client;

/// <summary>How far an opening handshake has come; told by the callbacks of the handler, which may be another's. Thread-safe.</summary>
internal sealed class HandshakeProgress(Uri uri, string waitingFor)
{
    private static readonly HttpRequestOptionsKey<HandshakeProgress> Key = new("Duologue.HandshakeProgress");

    private volatile string _waitingFor = waitingFor;
    private volatile bool _isAsked;

    /// <summary>What it is waiting for, to be named if it takes too long.</summary>
    public string WaitingFor => _waitingFor;

    /// <summary>Whether the request is on its way.</summary>
    public bool IsAsked => _isAsked;

    /// <summary>What a request carries; null if that is nothing.</summary>
    public static HandshakeProgress? Of(HttpRequestMessage request) => request.Options.TryGetValue(Key, out HandshakeProgress? progress) ? progress : null;

    public void Follow(HttpRequestMessage request) => request.Options.Set(Key, this);

    public void Connecting(string host, int port)
    {
        _isAsked = false;
        _waitingFor = $"a TCP connection to {(IsDirect(uri, host, port) ? "" : "the proxy ")}{host}:{port}";
    }

    public void Connected(string host, int port)
    {
        _waitingFor = IsDirect(uri, host, port) ? $"TLS with {host}:{port}" : $"the proxy {host}:{port}";
    }

    /// <summary>TCP, TLS and tunnels are done.</summary>
    public void Asking()
    {
        _isAsked = true;
        _waitingFor = $"the answer of {uri.Authority}";
    }

    /// <summary>Whether a TCP connection to there is one to the server itself, and not to a proxy.</summary>
    public static bool IsDirect(Uri uri, string host, int port) => host == uri.IdnHost.Trim('[', ']') && port == uri.Port;
}
