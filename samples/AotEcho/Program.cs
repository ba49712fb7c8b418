// A server and a client in one native program: no JIT, no runtime to install.
//   dotnet publish samples/AotEcho -c Release && artifacts/publish/AotEcho/release/AotEcho
// It talks to itself and ends with exit code 0 if every answer was right. With HOST:PORT of a Redis it is two nodes, and one has what the other publishes.

using System.Net;
using Duologue;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

string? redis = args.FirstOrDefault();
await using WebApplication application = await StartAsync(redis);
string address = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
Uri server = new UriBuilder(address) { Scheme = "ws" }.Uri;

ConnectOptions plain = new();
ConnectOptions compressed = new() { Compression = Compression.Shared };
string words = string.Concat(Enumerable.Repeat("a word ", 100));
bool right = await AskAsync(new Uri(server, "/echo"), plain, "a word", "a word")
    && await AskAsync(new Uri(server, "/shout"), plain, "a word", "A WORD")
    && await AskAsync(new Uri(server, "/echo"), compressed, words, words);
if (redis is not null)
{
    await using WebApplication other = await StartAsync(redis);
    right &= await HearAsync(application, other);
    await other.StopAsync();
}

await application.StopAsync();
return right ? 0 : 1;

static async Task<WebApplication> StartAsync(string? redis)
{
    WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
    builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
    builder.Services.AddDuologue(options => options.Compression = Compression.Shared);
    if (redis is not null)
    {
        builder.Services.UseRedis(redis);
    }

    WebApplication application = builder.Build();
    application.MapDuologue<Echo>("/echo");
    application.MapDuologue("/shout", async connection =>
    {
        await foreach (Message message in connection.ReadAllAsync())
        {
            await connection.SendAsync(message.Text.ToUpperInvariant());
        }
    });
    await application.StartAsync();
    return application;
}

static async Task<bool> HearAsync(WebApplication reader, WebApplication publisher)
{
    using CancellationTokenSource patience = new(TimeSpan.FromSeconds(60));
    using TopicSubscription talk = await reader.Services.GetRequiredService<Topics>().SubscribeAsync("talk", TopicStart.Now, patience.Token);
    await publisher.Services.GetRequiredService<Topics>().PublishAsync("talk", "a word", patience.Token);
    TopicMessage heard = (await talk.ReadAsync(patience.Token)).Messages.Single();
    Console.WriteLine($"talk: a word -> {heard.Text}, over Redis");
    return heard.Text == "a word";
}

static async Task<bool> AskAsync(Uri uri, ConnectOptions options, string question, string expected)
{
    using CancellationTokenSource patience = new(TimeSpan.FromSeconds(30));
    await using Connection connection = await Connection.ConnectAsync(uri, options, patience.Token);
    await connection.SendAsync(question, patience.Token);
    string answer = (await connection.ReceiveAsync(patience.Token)).Text;
    TimeSpan roundTrip = await connection.PingAsync(patience.Token);
    CloseInfo end = await connection.CloseAsync();
    string extensions = connection.Extensions.Length == 0 ? "" : $", {connection.Extensions}";
    Console.WriteLine($"{uri.AbsolutePath}: {question} -> {answer}, {roundTrip.TotalMicroseconds:F0} us, closed with {end.Code}{extensions}");
    return answer == expected && end.WasClean;
}

internal sealed class Echo : MessageHandler
{
    public override ValueTask OnMessageAsync(Connection connection, Message message)
    {
        connection.Send(message.Data.Span, message.Type);
        return ValueTask.CompletedTask;
    }
}
