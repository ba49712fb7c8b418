using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Duologue.Tests.Client.Peers;

/// <summary>
/// A server whose HTTP/2 takes no WebSockets: its SETTINGS lack ENABLE_CONNECT_PROTOCOL (RFC 8441 §3), or name other things as a test wants.
/// Over TLS it speaks HTTP/1.1 too, where it answers a WebSocket handshake and then nothing. On a free port of 127.0.0.1.
/// </summary>
internal sealed class BareHttp2Server : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private readonly List<Task> _serving = [];
    private readonly bool _tls;
    private readonly SslApplicationProtocol[] _protocols;
    private readonly byte[] _settings;
    private readonly Func<Stream, CancellationToken, Task>? _onHeaders;

    /// <param name="tls">Whether over TLS.</param>
    /// <param name="protocols">What TLS may agree on; the preferred first.</param>
    /// <param name="settings">The body of the SETTINGS frame.</param>
    /// <param name="onHeaders">What to do when a HEADERS frame came; null for nothing.</param>
    public BareHttp2Server(bool tls, SslApplicationProtocol[] protocols, byte[] settings, Func<Stream, CancellationToken, Task>? onHeaders)
    {
        _tls = tls;
        _protocols = protocols;
        _settings = settings;
        _onHeaders = onHeaders;
        _listener.Start();
        Uri = new Uri($"{(tls ? "wss" : "ws")}://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/");
        _accepting = AcceptAsync();
    }

    public Uri Uri { get; }

    public int TcpConnections => _serving.Count;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (Task serving in _serving)
        {
            await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            _serving.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            Stream stream = client.GetStream();
            bool http2 = true;
            if (_tls)
            {
                var tls = new SslStream(stream);
                await tls.AuthenticateAsServerAsync(
                    new SslServerAuthenticationOptions { ServerCertificate = Certificates.Server, ApplicationProtocols = [.. _protocols] },
                    _stop.Token);
                http2 = tls.NegotiatedApplicationProtocol == SslApplicationProtocol.Http2;
                stream = tls;
            }

            await (http2 ? SpeakHttp2Async(stream) : SpeakHttp1Async(stream));
        }
    }

    private async Task SpeakHttp2Async(Stream stream)
    {
        // RFC 9113 §3.4, §4.1: the client's preface, then frames with heads of nine bytes.
        await stream.ReadExactlyAsync(new byte["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.Length], _stop.Token);
        await stream.WriteAsync((byte[])[0, 0, (byte)_settings.Length, 4, 0, 0, 0, 0, 0, .. _settings], _stop.Token);
        byte[] head = new byte[9];
        while (true)
        {
            await stream.ReadExactlyAsync(head, _stop.Token);
            await stream.ReadExactlyAsync(new byte[(head[0] << 16) | (head[1] << 8) | head[2]], _stop.Token);
            if (head[3] == 4 && head[4] == 0)
            {
                await stream.WriteAsync((byte[])[0, 0, 0, 4, 1, 0, 0, 0, 0], _stop.Token);
            }

            if (head[3] == 1 && _onHeaders is not null)
            {
                await _onHeaders(stream, _stop.Token);
            }
        }
    }

    private async Task SpeakHttp1Async(Stream stream)
    {
        string head = (await RawServer.ReadHeadAsync(stream, _stop.Token))!;
        await stream.WriteAsync(Encoding.Latin1.GetBytes(new RawServer.Exchange(null!, head, _stop.Token).Accept()), _stop.Token);
        await stream.CopyToAsync(Stream.Null, _stop.Token);
    }
}
