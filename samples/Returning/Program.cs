// A server that is stopped and started again, and two clients that come back: one of a conversation, one of a topic.
using Duologue;

WebApplication server = await StartAsync();
var url = new Uri(server.Urls.First());

await using var talk = new DuologueClient(new Uri(url, "/talk"));
talk.StateChanged += (_, e) => Console.WriteLine($"talk: {e.State}");
talk.MessagesLost += (_, e) => Console.WriteLine($"talk: message {e.First} to {e.Last}: {e.Fate}");
await talk.OpenAsync(CancellationToken.None);
_ = Task.Run(async () =>
{
    await foreach (Message message in talk.ReadAllAsync())
        Console.WriteLine($"talk: {message.Text}");
});

await using var topics = new TopicClient(new Uri(url, "/topics"));
_ = Task.Run(async () =>
{
    await foreach (TopicNews news in topics.SubscribeAsync("news", TopicClient.Oldest, CancellationToken.None))
        Console.WriteLine(news is TopicItem item ? $"news: {item.Text}" : "news: some are gone, for the server had them in its memory");
});
await topics.PublishAsync("news", "before", CancellationToken.None);

await server.StopAsync();
await server.DisposeAsync();
Task<MessageFate> kept = talk.SendAsync("kept while away", WhenAway.Keep, CancellationToken.None).AsTask();
talk.Send("dropped while away", WhenAway.Drop);
Task<string> published = topics.PublishAsync("news", "published while away", CancellationToken.None);

server = await StartAsync(url.ToString());
Console.WriteLine($"published at {await published}");
Console.WriteLine($"talk: message 1 was kept: {await kept}");
await talk.CloseAsync();
await server.DisposeAsync();

static async Task<WebApplication> StartAsync(string url = "http://127.0.0.1:0")
{
    WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
    builder.Logging.ClearProviders();
    builder.WebHost.UseUrls(url);
    builder.Services.AddDuologue();
    WebApplication app = builder.Build();
    app.MapTopics("/topics/{**name}").WithOptions(endpoint => endpoint.AllowPublishing = true);
    app.MapDuologue("/talk", async connection =>
    {
        await foreach (Message message in connection.ReadAllAsync())
            await connection.SendAsync($"you said: {message.Text}");
    });
    await app.StartAsync();
    return app;
}
