using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Duologue.Tests.Client.Peers;

namespace Duologue.Tests.Client.Proxies;

/// <summary>A small HTTP proxy: it tunnels CONNECT and refuses everything else, on a free port of 127.0.0.1.</summary>
internal sealed class HttpProxy : IAsyncDisposable
{
    private readonly AcceptLoop _loop = new();
    private readonly string? _authorization;

    /// <summary>Starts the proxy.</summary>
    /// <param name="credentials">user:password to ask for; null for none.</param>
    public HttpProxy(string? credentials = null)
    {
        _authorization = credentials is null ? null : $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials))}";
        Uri = new Uri($"http://{_loop.EndPoint}");
        _loop.Start(ServeAsync);
    }

    public Uri Uri { get; }

    /// <summary>The request lines that came, in order.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            NetworkStream stream = client.GetStream();
            while (await RawServer.ReadHeadAsync(stream, _loop.Stop) is { } head)
            {
                string[] line = head[..head.IndexOf('\r', StringComparison.Ordinal)].Split(' ');
                Requests.Enqueue($"{line[0]} {line[1]}");
                if (line[0] != "CONNECT")
                {
                    await AnswerAsync(stream, "HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n");
                }
                else if (_authorization is not null && !head.Contains($"Proxy-Authorization: {_authorization}\r\n", StringComparison.Ordinal))
                {
                    await AnswerAsync(stream, "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"proxy\"\r\nContent-Length: 0\r\n\r\n");
                }
                else
                {
                    using var target = new TcpClient();
                    await target.ConnectAsync(IPEndPoint.Parse(line[1]), _loop.Stop);
                    await AnswerAsync(stream, "HTTP/1.1 200 Tunnel\r\n\r\n");
                    await Tunnel.RunAsync(stream, target.GetStream(), _loop.Stop);
                    return;
                }
            }
        }
    }

    private async Task AnswerAsync(NetworkStream stream, string head) => await stream.WriteAsync(Encoding.ASCII.GetBytes(head), _loop.Stop);
}
