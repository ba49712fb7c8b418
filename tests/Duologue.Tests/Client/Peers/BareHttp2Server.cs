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
    private readonly AcceptLoop _loop = new();
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
        Uri = new Uri($"{(tls ? "wss" : "ws")}://127.0.0.1:{_loop.EndPoint.Port}/");
        _loop.Start(ServeAsync);
    }

    public Uri Uri { get; }

    public int TcpConnections => _loop.Count;

    public ValueTask DisposeAsync() => _loop.DisposeAsync();

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
                    _loop.Stop);
                http2 = tls.NegotiatedApplicationProtocol == SslApplicationProtocol.Http2;
                stream = tls;
            }

            await (http2 ? SpeakHttp2Async(stream) : SpeakHttp1Async(stream));
        }
    }

    private async Task SpeakHttp2Async(Stream stream)
    {
        // RFC 9113 §3.4, §4.1: the client's preface, then frames with heads of nine bytes.
        await stream.ReadExactlyAsync(new byte["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.Length], _loop.Stop);
        await stream.WriteAsync((byte[])[0, 0, (byte)_settings.Length, 4, 0, 0, 0, 0, 0, .. _settings], _loop.Stop);
        byte[] head = new byte[9];
        while (true)
        {
            await stream.ReadExactlyAsync(head, _loop.Stop);
            await stream.ReadExactlyAsync(new byte[(head[0] << 16) | (head[1] << 8) | head[2]], _loop.Stop);
            if (head[3] == 4 && head[4] == 0)
            {
                await stream.WriteAsync((byte[])[0, 0, 0, 4, 1, 0, 0, 0, 0], _loop.Stop);
            }

            if (head[3] == 1 && _onHeaders is not null)
            {
                await _onHeaders(stream, _loop.Stop);
            }
        }
    }

    private async Task SpeakHttp1Async(Stream stream)
    {
        string head = (await RawServer.ReadHeadAsync(stream, _loop.Stop))!;
        await stream.WriteAsync(Encoding.Latin1.GetBytes(new RawServer.Exchange(null!, head, _loop.Stop).Accept()), _loop.Stop);
        await stream.CopyToAsync(Stream.Null, _loop.Stop);
    }
}
