using System.Net;
using System.Net.Sockets;
using System.Text;
using Duologue.AspNetCore.Tests.Support;

namespace Duologue.AspNetCore.Tests.Sessions;

/// <summary>A request in bytes of its own.</summary>
internal sealed class RawPoll : IDisposable
{
    private readonly TcpClient _client = new();
    private readonly StringBuilder _seen = new();

    public string Seen => _seen.ToString();

    public static async Task<RawPoll> SendAsync(TestHost host, string text)
    {
        var poll = new RawPoll();
        await poll._client.ConnectAsync(IPAddress.Loopback, host.Url.Port, TestContext.Current.CancellationToken);
        await poll.WriteAsync(text);
        return poll;
    }

    public async Task WriteAsync(string text) =>
        await _client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(text), TestContext.Current.CancellationToken);

    public async Task ReadUntilAsync(string text)
    {
        while (!Seen.Contains(text, StringComparison.Ordinal))
        {
            Assert.True(await ReadAsync(), $"Never saw {text} in: {_seen}");
        }
    }

    public async Task ReadToEndAsync()
    {
        try
        {
            while (await ReadAsync())
            {
            }
        }
        catch (IOException)
        {
            // A reset ends it as well.
        }
    }

    /// <summary>Ends the connection by RST.</summary>
    public void Reset()
    {
        _client.LingerState = new LingerOption(true, 0);
        _client.Close();
    }

    public void Dispose() => _client.Dispose();

    private async Task<bool> ReadAsync()
    {
        using var patience = new CancellationTokenSource(TestHost.Patience);
        byte[] buffer = new byte[4096];
        int count = await _client.GetStream().ReadAsync(buffer, patience.Token);
        _seen.Append(Encoding.ASCII.GetString(buffer, 0, count));
        return count > 0;
    }
}
