namespace Duologue.Client;

/// <summary>How far an opening handshake has come; told by the callbacks of the handler, which may be another's. Thread-safe.</summary>
internal sealed class HandshakeProgress(Uri uri, string waitingFor)
{
    /// <summary>Under which a request carries its own.</summary>
    public static readonly HttpRequestOptionsKey<HandshakeProgress> Key = new("Duologue.HandshakeProgress");

    private volatile string _waitingFor = waitingFor;
    private volatile string? _proxySought;
    private volatile bool _isAsked;

    /// <summary>What it is waiting for, to be named if it takes too long.</summary>
    public string WaitingFor => _waitingFor;

    /// <summary>Whether the request is on its way.</summary>
    public bool IsAsked => _isAsked;

    /// <summary>The proxy that a TCP connection is wanted to; null while it is wanted to the server itself, and once there is one.</summary>
    public string? ProxySought => _proxySought;

    public void Connecting(string host, int port)
    {
        _isAsked = false;
        _proxySought = IsDirect(host, port) ? null : $"{host}:{port}";
        _waitingFor = $"a TCP connection to {(_proxySought is null ? "" : "the proxy ")}{host}:{port}";
    }

    public void Connected(string host, int port)
    {
        _proxySought = null;
        _waitingFor = IsDirect(host, port) ? $"TLS with {host}:{port}" : $"the proxy {host}:{port}";
    }

    /// <summary>TCP, TLS and tunnels are done.</summary>
    public void Asking()
    {
        _isAsked = true;
        _waitingFor = $"the answer of {uri.Authority}";
    }

    private bool IsDirect(string host, int port) => host == uri.IdnHost.Trim('[', ']') && port == uri.Port;
}
