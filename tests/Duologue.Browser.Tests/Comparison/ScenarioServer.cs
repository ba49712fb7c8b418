using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Duologue.Tests.Browser;

namespace Duologue.Browser.Tests.Comparison;

/// <summary>
/// The server of one scenario. It does what the query of <c>/server</c> says, and writes down what it gets:
/// <list type="bullet">
/// <item><c>answer</c>: hex of the whole answer to the handshake, instead of 101; then TCP ends, or stays with <c>silent</c>. <c>header</c>: lines added to the 101.</item>
/// <item><c>with</c>: hex sent in one packet with the 101. <c>send</c>: hex sent after it.</item>
/// <item><c>wait</c>: it waits for a message before it sends.</item>
/// <item><c>echo</c>: it sends messages back. <c>reply</c>: hex of what it sends for the client's Close, instead of that Close; <c>none</c> for nothing.</item>
/// <item><c>end</c>: <c>fin</c> or <c>reset</c>: ends TCP when it has sent, without reading on. <c>afterClose</c>: the same, when the client's Close has come.</item>
/// <item><c>note</c>: name of a header of the request to write down; the message "request" has its first line written down. <c>quiet</c>: messages are not written down.</item>
/// </list>
/// Any other path is a page to a browser, and echoes to a WebSocket; who only opens and closes there is not written down.
/// </summary>
internal sealed class ScenarioServer : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _seen = new();
    private readonly ConcurrentBag<Task> _conversations = [];
    private readonly RawServer _server;

    // Bound and not listening: what connects there is refused, and nobody else can take the port meanwhile.
    private readonly Socket _refusing = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public ScenarioServer()
    {
        _refusing.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _server = RawServer.Start(peer =>
        {
            Task conversation = ConverseAsync(peer);
            _conversations.Add(conversation);
            return conversation;
        });
        _server.Go();
    }

    public string Host => $"127.0.0.1:{_server.Port}";

    /// <summary>Where the page of the scenario lies.</summary>
    public Uri Page => new($"http://{Host}/pages/index.html");

    public string Refused => $"127.0.0.1:{((IPEndPoint)_refusing.LocalEndPoint!).Port}";

    /// <summary>What was received since it was last asked, once all conversations are over.</summary>
    public async Task<IReadOnlyList<string>> TakeSeenAsync()
    {
        await Task.WhenAll(_conversations).WaitAsync(Patience.Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        string[] seen = [.. _seen];
        _seen.Clear();
        return seen;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _refusing.Dispose();
    }

    private async Task ConverseAsync(RawPeer peer)
    {
        await peer.ReadRequestAsync();
        string target = peer.Request.Split(' ')[1];
        if (peer.Header("Upgrade") is null)
        {
            await AnswerPageAsync(peer, target);
            return;
        }

        Dictionary<string, string> orders = target.StartsWith("/server?", StringComparison.Ordinal) ? Orders(target) : [];
        if (!target.StartsWith("/server?", StringComparison.Ordinal))
        {
            orders["echo"] = "1";
            orders["page"] = "1";
        }

        if (orders.TryGetValue("note", out string? noted) && peer.Header(noted) is string value)
        {
            _seen.Enqueue($"{noted}: {value}");
        }

        if (orders.TryGetValue("answer", out string? answer))
        {
            await peer.WriteAsync(Convert.FromHexString(answer));
            if (orders.ContainsKey("silent"))
            {
                await peer.FinishAsync();
            }

            return;
        }

        await peer.WriteAsync([.. peer.Answer(orders.TryGetValue("header", out string? header2) ? header2 + "\r\n" : ""), .. Bytes(orders, "with")]);
        if (orders.ContainsKey("wait"))
        {
            await ReadAsync(peer, []);
        }

        await peer.WriteAsync(Bytes(orders, "send"));
        string end = orders.GetValueOrDefault("end", "");
        bool isOpen = end.Length == 0;
        while (isOpen && await ReadAsync(peer, orders))
        {
        }

        if (orders.GetValueOrDefault("afterClose", end) == "reset")
        {
            peer.Reset();
        }
        else
        {
            peer.EndWriting();
            await peer.FinishAsync();
        }
    }

    /// <summary>Reads one whole message or a control frame, and answers it.</summary>
    /// <returns>False after a Close.</returns>
    private async Task<bool> ReadAsync(RawPeer peer, Dictionary<string, string> orders)
    {
        var message = new MemoryStream();
        byte opcode = 0;
        RawFrame frame;
        do
        {
            frame = await peer.ReadFrameAsync();
            if (frame.Opcode == 8)
            {

                // Which code and which words a failing client takes is its own affair: a page does not see them.
                bool hasFailed = frame.Payload is [3, 234 or 235 or 239 or 241, ..];
                if (!orders.ContainsKey("page"))
                {
                    _seen.Enqueue(hasFailed ? "close by a client that failed" : $"close {Convert.ToHexStringLower(frame.Payload)}");
                }

                string reply = orders.GetValueOrDefault("reply", HasClosed(orders) ? "none" : "");
                await peer.WriteAsync(reply switch
                {
                    "none" => [],
                    "" => RawPeer.Frame(8, frame.Payload),
                    _ => Convert.FromHexString(reply),
                });
                return false;
            }

            if (frame.Opcode is 9 or 10)
            {
                _seen.Enqueue($"{(frame.Opcode == 9 ? "ping" : "pong")} '{Encoding.UTF8.GetString(frame.Payload)}'");
                continue;
            }

            opcode = frame.Opcode == 0 ? opcode : frame.Opcode;
            message.Write(frame.Payload);
        }
        while (!frame.Fin || frame.Opcode > 8);

        byte[] payload = message.ToArray();
        if (payload.AsSpan().SequenceEqual("request"u8))
        {
            _seen.Enqueue(peer.Request.Split("\r\n")[0]);
        }
        else if (!orders.ContainsKey("quiet"))
        {
            _seen.Enqueue($"{(opcode == 1 ? "text" : "binary")} {(payload.Length > 60 ? $"{payload.Length} bytes" : Convert.ToHexStringLower(payload))}");
        }

        if (orders.ContainsKey("echo"))
        {
            await peer.SendAsync(opcode, payload);
        }

        return true;
    }

    /// <summary>Whether a Close frame is among what it was to send: then the client's is the answer.</summary>
    private static bool HasClosed(Dictionary<string, string> orders)
    {
        byte[] sent = [.. Bytes(orders, "with"), .. Bytes(orders, "send")];
        for (int start = 0; start + 1 < sent.Length;)
        {
            if ((sent[start] & 0x0F) == 8)
            {
                return true;
            }

            int length = sent[start + 1] & 0x7F;
            start += length < 126 ? 2 + length : 4 + (sent[start + 2] << 8 | sent[start + 3]);
        }

        return false;
    }

    private static async Task AnswerPageAsync(RawPeer peer, string target)
    {
        bool isPage = target == "/pages/index.html";
        string body = isPage ? "<!doctype html><title>scenario</title>" : "";
        await peer.WriteAsync($"HTTP/1.1 {(isPage ? "200 OK" : "404 Not Found")}\r\nContent-Type: text/html\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}");
    }

    private static Dictionary<string, string> Orders(string target) => target["/server?".Length..]
        .Split('&', StringSplitOptions.RemoveEmptyEntries)
        .Select(static pair => pair.Split('=', 2))
        .ToDictionary(static pair => pair[0], static pair => Uri.UnescapeDataString(pair[1]));

    private static byte[] Bytes(Dictionary<string, string> orders, string name) => Convert.FromHexString(orders.GetValueOrDefault(name, ""));
}
