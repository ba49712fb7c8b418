using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Duologue.AspNetCore.Tests.Support;

/// <summary>A TCP connection that says exactly what the test wants it to say.</summary>
internal sealed class RawClient : IAsyncDisposable
{
    private readonly TcpClient _tcp;

    private RawClient(TcpClient tcp) => _tcp = tcp;

    public NetworkStream Stream => _tcp.GetStream();

    public static async Task<RawClient> ConnectAsync(Uri url)
    {
        var tcp = new TcpClient();
        await tcp.ConnectAsync(url.Host, url.Port, TestContext.Current.CancellationToken);
        return new RawClient(tcp);
    }

    public async Task<RawAnswer> HandshakeAsync(string path, params (string Name, string? Value)[] headers)
    {
        var all = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase)
        {
            ["Host"] = "example.com",
            ["Connection"] = "Upgrade",
            ["Upgrade"] = "websocket",
            ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==",
            ["Sec-WebSocket-Version"] = "13",
        };
        foreach ((string name, string? value) in headers)
        {
            all[name] = value;
        }

        var head = new StringBuilder($"GET {path} HTTP/1.1\r\n");
        foreach ((string name, string? value) in all)
        {
            if (value is not null)
            {
                head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
            }
        }

        return await RequestAsync(head.Append("\r\n").ToString());
    }

    public async Task<RawAnswer> RequestAsync(string request)
    {
        await Stream.WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);
        return await ReadAnswerAsync();
    }

    private async Task<RawAnswer> ReadAnswerAsync()
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TestHost.Patience);
        var head = new StringBuilder();
        byte[] one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await Stream.ReadAsync(one, patience.Token) == 0)
            {
                throw new IOException($"The server ended the connection after: {head}");
            }

            head.Append((char)one[0]);
        }

        string[] lines = head.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var headers = lines.Skip(1)
            .Select(line => line.Split(':', 2))
            .GroupBy(pair => pair[0], StringComparer.OrdinalIgnoreCase)
            .ToDictionary(group => group.Key, group => string.Join(", ", group.Select(pair => pair[1].Trim())), StringComparer.OrdinalIgnoreCase);
        string body = headers.TryGetValue("Transfer-Encoding", out string? _) ? await ReadChunkedAsync(patience.Token)
            : headers.TryGetValue("Content-Length", out string? length) ? await ReadExactlyAsync(int.Parse(length, CultureInfo.InvariantCulture), patience.Token) : "";
        return new RawAnswer(int.Parse(lines[0].Split(' ')[1], CultureInfo.InvariantCulture), headers, body);
    }

    private async Task<string> ReadChunkedAsync(CancellationToken cancellationToken)
    {
        var body = new StringBuilder();
        while (true)
        {
            var size = new StringBuilder();
            while (!size.ToString().EndsWith("\r\n", StringComparison.Ordinal))
            {
                size.Append(await ReadExactlyAsync(1, cancellationToken));
            }

            int length = int.Parse(size.ToString().Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            string chunk = await ReadExactlyAsync(length + 2, cancellationToken);
            if (length == 0)
            {
                return body.ToString();
            }

            body.Append(chunk.AsSpan(0, length));
        }
    }

    private async Task<string> ReadExactlyAsync(int length, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[length];
        await Stream.ReadExactlyAsync(bytes, cancellationToken);
        return Encoding.UTF8.GetString(bytes);
    }

    public ValueTask DisposeAsync()
    {
        _tcp.Dispose();
        return ValueTask.CompletedTask;
    }
}

internal sealed record RawAnswer(int Status, Dictionary<string, string> Headers, string Body)
{
    public string? this[string header] => Headers.GetValueOrDefault(header);
}
