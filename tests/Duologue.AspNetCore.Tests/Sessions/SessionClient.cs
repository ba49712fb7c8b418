using System.Net.Http.Headers;
using System.Net.WebSockets;
using System.Text.Json;
using Duologue.AspNetCore.Tests.Support;

namespace Duologue.AspNetCore.Tests.Sessions;

/// <summary>A client of one session that does only what a test tells it, in raw HTTP.</summary>
internal sealed class SessionClient(TestHost host, string path) : IAsyncDisposable
{
    private readonly HttpClient _http = new() { BaseAddress = host.Url, Timeout = TestHost.Patience };

    public SessionClient(TestHost host)
        : this(host, "/engine.io/")
    {
    }

    public HttpClient Http => _http;

    public string Sid { get; private set; } = "";

    public JsonElement Handshake { get; private set; }

    public static async Task<SessionClient> OpenAsync(TestHost host)
    {
        var client = new SessionClient(host);
        await client.OpenAsync();
        return client;
    }

    public async Task OpenAsync()
    {
        (int status, string body) = await AskAsync(HttpMethod.Get, "EIO=4&transport=polling");
        Assert.Equal(200, status);
        Assert.StartsWith("0{", body, StringComparison.Ordinal);
        using JsonDocument document = JsonDocument.Parse(body[1..]);
        Handshake = document.RootElement.Clone();
        Sid = Handshake.GetProperty("sid").GetString()!;
    }

    public string Query => $"EIO=4&transport=polling&sid={Sid}";

    public Task<(int Status, string Body)> GetAsync() => AskAsync(HttpMethod.Get, Query);

    public Task<(int Status, string Body)> GetAsync(string more) => AskAsync(HttpMethod.Get, $"{Query}&{more}");

    public Task<(int Status, string Body)> PostAsync(string body) => AskAsync(HttpMethod.Post, Query, new StringContent(body, new MediaTypeHeaderValue("text/plain", "UTF-8")));

    public async Task<(int Status, string Body)> AskAsync(HttpMethod method, string query, HttpContent? content = null)
    {
        using HttpResponseMessage response = await SendAsync(method, query, content);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string query, HttpContent? content = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, query.Length == 0 ? path : $"{path}?{query}") { Content = content };
        foreach ((string name, string value) in headers)
        {
            request.Headers.Add(name, value);
        }

        return await _http.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>Polls until so many packets have come, and gives them in order; pings are left out.</summary>
    public async Task<List<string>> CollectAsync(int count)
    {
        List<string> packets = [];
        while (packets.Count < count)
        {
            (int status, string body) = await GetAsync();
            Assert.Equal((200, true), (status, body.Length > 0));
            packets.AddRange(body.Split('\u001e').Where(packet => packet is not ("2" or "6")));
        }

        return packets;
    }

    public Task<ClientWebSocket> UpgradeAsync() => host.ConnectAsync($"{path}?EIO=4&transport=websocket&sid={Sid}");

    /// <summary>Changes to a WebSocket as the official client does.</summary>
    public async Task<ClientWebSocket> CompleteUpgradeAsync()
    {
        ClientWebSocket socket = await UpgradeAsync();
        await socket.SendTextAsync("2probe");
        Assert.Equal("3probe", await socket.ReceiveTextAsync());
        Assert.Equal((200, "6"), await GetAsync());
        await socket.SendTextAsync("5");
        return socket;
    }

    /// <summary>Closes the session, if there still is one: the server's end would wait for it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Sid.Length > 0)
        {
            try
            {
                await PostAsync("1");
            }
            catch (HttpRequestException)
            {
                // The server has ended before.
            }
        }

        _http.Dispose();
    }
}
