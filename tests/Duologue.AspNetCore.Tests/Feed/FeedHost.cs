using System.Net;
using System.Security.Claims;
using System.Text.Json;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;

namespace Duologue.AspNetCore.Tests.Feed;

/// <summary>An application with topics at <c>/topics</c>, and a client for it.</summary>
internal sealed class FeedHost : IAsyncDisposable
{
    private FeedHost(TestHost host)
    {
        Host = host;
        Http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 1_000 }) { BaseAddress = host.Url, Timeout = TestHost.Patience * 2 };
    }

    public TestHost Host { get; }

    public HttpClient Http { get; }

    public Topics Topics => Host.Topics;

    public static Task<FeedHost> StartAsync() => StartAsync(_ => { }, _ => { });

    public static Task<FeedHost> StartAsync(Action<TopicEndpointOptions> endpoint) => StartAsync(endpoint, _ => { });

    public static async Task<FeedHost> StartAsync(Action<TopicEndpointOptions> endpoint, Action<DuologueOptions> options) =>
        new(await TestHost.StartAsync(app => app.MapTopics("/topics/{**name}").WithOptions(endpoint), options));

    /// <summary>An application that believes what is said in <c>?user=</c>.</summary>
    public static async Task<FeedHost> StartWithUsersAsync() => new(await TestHost.StartAsync(app =>
    {
        app.Use((context, next) =>
        {
            if (context.Request.Query["user"] is [{ } user])
            {
                context.User = new ClaimsPrincipal(new ClaimsIdentity([new(ClaimTypes.NameIdentifier, user)], "test"));
            }

            return next(context);
        });
        app.MapTopics("/topics/{**name}").WithOptions(topics => topics.MaxWait = TimeSpan.FromMinutes(30));
    }));

    public static HttpRequestMessage Get(string path, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        foreach ((string name, string value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return request;
    }

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request) => Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);

    /// <summary>A poll that is answered with a page.</summary>
    public async Task<FeedPage> PollAsync(string pathAndQuery)
    {
        using HttpResponseMessage response = await SendAsync(Get(pathAndQuery));
        string body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{(int)response.StatusCode}: {body}");
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        FeedPage page = FeedPage.Parse(body);
        Assert.Equal($"\"{page.Next}\"", response.Headers.ETag?.Tag);
        return page;
    }

    /// <summary>Waits until so many requests are held.</summary>
    public Task HeldAsync(string topic, int count)
    {
        var hub = (TopicHub)Topics;
        return Eventually.True(() => hub.CountWaiting(topic) == count, () => $"{hub.CountWaiting(topic)} wait, not {count}.");
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Host.DisposeAsync();
    }
}

/// <summary>A page as a client has it.</summary>
internal sealed record FeedPage(string[] Data, string[] Ids, string Next, bool Reset, long? Lost)
{
    /// <summary>All data, to compare.</summary>
    public string All => string.Join('|', Data);

    public static FeedPage Parse(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement root = document.RootElement;
        JsonElement[] items = [.. root.GetProperty("items").EnumerateArray()];
        bool reset = root.GetProperty("reset").GetBoolean();
        Assert.Equal(reset, root.TryGetProperty("lost", out JsonElement lost));
        return new(
            [.. items.Select(item => item.GetProperty("data")).Select(data => data.ValueKind == JsonValueKind.String ? data.GetString()! : data.GetRawText())],
            [.. items.Select(item => item.GetProperty("id").GetString()!)],
            root.GetProperty("next").GetString()!,
            reset,
            reset && lost.ValueKind == JsonValueKind.Number ? lost.GetInt64() : null);
    }
}
