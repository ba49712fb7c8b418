using System.Globalization;
using Duologue.AspNetCore;
using Duologue.Redis;
using StackExchange.Redis;

namespace Duologue.RedisCost;

/// <summary>Publishes to one topic whose history is full, which 1 or 3 nodes follow: one publish at a time, and so many under way that they travel together.</summary>
internal static class PublishCost
{
    private const int Publishes = 3_000;
    private const int Together = 100;

    public static async Task RunAsync(string address)
    {
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(address + ",allowAdmin=true");
        Console.WriteLine("| under way | nodes | payload | bytes to Redis | bytes from Redis | Redis CPU |");
        Console.WriteLine("|---|---|---|---|---|---|");
        string calls = "";
        foreach (int underWay in new[] { 1, Together })
        {
            foreach (int nodes in new[] { 1, 3 })
            {
                foreach (int size in new[] { 32, 1024, 16 * 1024 })
                {
                    Cost cost = await MeasureAsync(link, address, nodes, size, underWay);
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {underWay} | {nodes} | {size} B | {cost.BytesIn:0} | {cost.BytesOut:0} | {cost.CpuMicroseconds:0.0} µs |"));
                    calls += string.Create(CultureInfo.InvariantCulture, $"Calls per publish, {underWay} under way, {nodes} nodes, {size} B: {cost.Calls}\n");
                }
            }
        }

        Console.Write(calls);
    }

    private static async Task<Cost> MeasureAsync(ConnectionMultiplexer link, string address, int count, int size, int underWay)
    {
        List<WebApplication> nodes = [];
        List<TopicSubscription> readers = [];
        string topic = $"cost/{underWay}/{count}/{size}";
        for (int i = 0; i < count; i++)
        {
            WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Logging.ClearProviders();
            builder.Services.AddDuologue().UseRedis(address);
            WebApplication app = builder.Build();
            await app.StartAsync();
            while (!app.Services.GetRequiredService<RedisBroker>().IsConnected)
            {
                await Task.Delay(10);
            }

            nodes.Add(app);
            readers.Add(await app.Services.GetRequiredService<Topics>().SubscribeAsync(topic, TopicStart.Now, CancellationToken.None));
        }

        Topics topics = nodes[0].Services.GetRequiredService<Topics>();
        await PublishAsync(topics, topic, size, underWay, 1_500);
        ServerCounters before = await ServerCounters.ReadAsync(link);
        await PublishAsync(topics, topic, size, underWay, Publishes);
        ServerCounters after = await ServerCounters.ReadAsync(link);
        readers.ForEach(reader => reader.Dispose());
        foreach (WebApplication node in nodes)
        {
            await node.StopAsync();
            await node.DisposeAsync();
        }

        return after.Since(before, Publishes);
    }

    private static async Task PublishAsync(Topics topics, string topic, int size, int underWay, int count)
    {
        byte[] payload = new byte[size];
        for (int sent = 0; sent < count; sent += underWay)
        {
            await Task.WhenAll(Enumerable.Range(0, underWay).Select(_ => topics.PublishAsync(topic, payload, MessageType.Binary, CancellationToken.None).AsTask()));
        }
    }
}
