namespace Duologue.Client;

/// <summary>How far an opening handshake has come; told by the callbacks of the handler, which may be another's. Thread-safe.</summary>
internal sealed class HandshakeProgress(Uri uri, string waitingFor)
{
    /// <summary>Under which a request carries its own.</summary>
    public static readonly HttpRequestOptionsKey<HandshakeProgress> Key = new("Duologue.HandshakeProgress");

    private volatile string _waitingFor = waitingFor;
    private volatile bool _isAsked;

    /// <summary>What it is waiting for, to be named if it takes too long.</summary>
    public string WaitingFor => _waitingFor;

    /// <summary>Whether the request is on its way.</summary>
    public bool IsAsked => _isAsked;

    public void Connecting(string host, int port)
    {
        _isAsked = false;
        _waitingFor = $"a TCP connection to {host}:{port}";
    }

    public void Connected(string host, int port)
    {
        bool direct = host == uri.IdnHost.Trim('[', ']') && port == uri.Port;
        _waitingFor = direct ? $"TLS with {host}:{port}" : $"the proxy {host}:{port}";
    }

    /// <summary>TCP, TLS and tunnels are done.</summary>
    public void Asking()
    {
        _isAsked = true;
        _waitingFor = $"the answer of {uri.Authority}";
    }
}
