using System.Diagnostics;
using System.Globalization;
using System.Text;
using StackExchange.Redis;

namespace Duologue.RedisCost;

/// <summary>
/// How notifications get to the nodes that want them: over one channel, where each drops what it has no use for, or over one for each topic. Only the notifications; the rest of a publish is the same either way.
/// </summary>
internal static class ChannelCost
{
    private const int TopicCount = 1_000;
    private const int Publishes = 10_000;
    private const int UnderWay = 200;

    public static async Task RunAsync(string address)
    {
        Console.WriteLine("| nodes | topics on | payload | Redis CPU, one channel | one per topic | nodes' CPU, one channel | one per topic | bytes from Redis, one channel | one per topic | subscribing, one per topic |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach ((int nodes, int on) in new[] { (3, 1), (3, 2), (3, 3), (10, 1), (10, 3), (10, 10) })
        {
            foreach (int size in new[] { 128, 4096 })
            {
                Sample one = await MeasureAsync(address, nodes, on, size, perTopic: false);
                Sample each = await MeasureAsync(address, nodes, on, size, perTopic: true);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {nodes} | {on} | {size} B | {one.Server.CpuMicroseconds:0.0} µs | {each.Server.CpuMicroseconds:0.0} µs | {one.NodeMicroseconds:0.0} µs | {each.NodeMicroseconds:0.0} µs | {one.Server.BytesOut:0} | {each.Server.BytesOut:0} | {each.Subscribing.TotalMilliseconds:0} ms |"));
            }
        }
    }

    private static async Task<Sample> MeasureAsync(string address, int count, int on, int size, bool perTopic)
    {
        string run = Guid.NewGuid().ToString("N")[..8];
        long received = 0;
        List<ConnectionMultiplexer> nodes = [];
        for (int i = 0; i < count; i++)
        {
            nodes.Add(await ConnectionMultiplexer.ConnectAsync(address));
        }

        var watch = Stopwatch.StartNew();
        for (int i = 0; i < count; i++)
        {
            // Topic t is followed by the nodes t, t + 1, … up to as many as follow each.
            HashSet<string> followed = [.. Enumerable.Range(0, TopicCount).Where(t => (i - (t % count) + count) % count < on).Select(t => $"room/{t}")];
            ISubscriber subscriber = nodes[i].GetSubscriber();
            void Hear(RedisChannel channel, RedisValue value)
            {
                ReadOnlySpan<byte> payload = (byte[])value!;
                if (followed.Contains(Encoding.UTF8.GetString(payload[..payload.IndexOf((byte)' ')])))
                {
                    Interlocked.Increment(ref received);
                }
            }

            await (perTopic
                ? Task.WhenAll(followed.Select(topic => subscriber.SubscribeAsync(RedisChannel.Literal(run + topic), Hear)))
                : subscriber.SubscribeAsync(RedisChannel.Literal(run), Hear));
        }

        TimeSpan subscribing = watch.Elapsed;
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(address + ",allowAdmin=true");
        await PublishAsync(link, run, size, perTopic, Publishes / 5);
        while (Interlocked.Read(ref received) < (long)(Publishes / 5) * on)
        {
            await Task.Delay(1);
        }

        ServerCounters before = await ServerCounters.ReadAsync(link);
        TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
        await PublishAsync(link, run, size, perTopic, Publishes);
        while (Interlocked.Read(ref received) < (long)(Publishes + (Publishes / 5)) * on)
        {
            await Task.Delay(1);
        }

        cpu = Process.GetCurrentProcess().TotalProcessorTime - cpu;
        ServerCounters after = await ServerCounters.ReadAsync(link);
        foreach (ConnectionMultiplexer node in nodes)
        {
            await node.DisposeAsync();
        }

        return new Sample(after.Since(before, Publishes), cpu.TotalMicroseconds / Publishes, subscribing);
    }

    private static async Task PublishAsync(ConnectionMultiplexer link, string run, int size, bool perTopic, int count)
    {
        IDatabase database = link.GetDatabase();
        for (int sent = 0; sent < count; sent += UnderWay)
        {
            await Task.WhenAll(Enumerable.Range(sent, UnderWay).Select(n =>
            {
                string topic = $"room/{n % TopicCount}";
                return database.PublishAsync(RedisChannel.Literal(perTopic ? run + topic : run), (topic + " ").PadRight(size));
            }));
        }
    }

    private sealed record Sample(Cost Server, double NodeMicroseconds, TimeSpan Subscribing);
}
