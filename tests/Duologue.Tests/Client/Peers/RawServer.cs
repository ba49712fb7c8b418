using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Duologue.Protocol.Handshake;

namespace Duologue.Tests.Client.Peers;

/// <summary>A TCP server that reads a head and then does what the test says, on a free port of 127.0.0.1.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly AcceptLoop _accepting = new();
    private readonly TaskCompletionSource _firstEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RawServer(Func<Exchange, Task> serve) => _accepting.Start(client => ServeAsync(client, serve));

    public int Port => _accepting.EndPoint.Port;

    public Uri Uri => new($"ws://127.0.0.1:{Port}/chat?x=1");

    /// <summary>The heads that came, in order.</summary>
    public ConcurrentQueue<string> Heads { get; } = [];

    /// <summary>Completes when one connection has been ended, by either side.</summary>
    public Task FirstConnectionEnded => _firstEnded.Task;

    /// <summary>Reads up to the first empty line; null if the peer ended first.</summary>
    public static async Task<string?> ReadHeadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var head = new StringBuilder();
        byte[] one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one, cancellationToken) == 0)
            {
                return null;
            }

            head.Append((char)one[0]);
        }

        return head.ToString();
    }

    public ValueTask DisposeAsync() => _accepting.DisposeAsync();

    private async Task ServeAsync(TcpClient client, Func<Exchange, Task> serve)
    {
        using (client)
        {
            NetworkStream stream = client.GetStream();
            try
            {
                while (await ReadHeadAsync(stream, _accepting.Stop) is { } head)
                {
                    Heads.Enqueue(head);
                    await serve(new Exchange(stream, head, _accepting.Stop));
                }
            }
            finally
            {
                _firstEnded.TrySetResult();
            }
        }
    }

    /// <summary>One request, to be answered.</summary>
    internal sealed record Exchange(NetworkStream Stream, string Head, CancellationToken Stop)
    {
        public string? Header(string name) => Head.Split("\r\n").FirstOrDefault(line => line.StartsWith(name + ": ", StringComparison.OrdinalIgnoreCase))?[(name.Length + 2)..];

        /// <summary>The right answer, with lines to follow the usual ones.</summary>
        public string Accept(params string[] more) => string.Join("\r\n",
        [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            $"Sec-WebSocket-Accept: {HandshakeKey.ComputeAccept(Header("Sec-WebSocket-Key")!)}",
            .. more,
            "\r\n",
        ]);

        public async Task WriteAsync(string text) => await Stream.WriteAsync(Encoding.Latin1.GetBytes(text), Stop);

        /// <summary>Waits until the peer ends the connection, be it by FIN or RST.</summary>
        public async Task ReadToEndAsync()
        {
            byte[] buffer = new byte[4096];
            try
            {
                while (await Stream.ReadAsync(buffer, Stop) > 0)
                {
                }
            }
            catch (IOException)
            {
                // RST is an end, too.
            }
        }
    }
}
