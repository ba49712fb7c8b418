using Duologue.Tests.Shared;

namespace Duologue.Soak;

/// <summary>Three nodes with a Redis that each reaches by a line of its own, a balancer in front, and a line that all clients share.</summary>
internal sealed class Cluster : IAsyncDisposable
{
    private static readonly string[] Names = ["a", "b", "c"];

    private Cluster(RedisProcess redis, Relay[] links, NodeProcess[] nodes, Balancer balancer) =>
        (Redis, Links, Nodes, Balancer, Front) = (redis, links, nodes, balancer, new Relay(balancer.Port));

    public RedisProcess Redis { get; }

    /// <summary>From each node to Redis.</summary>
    public Relay[] Links { get; }

    public NodeProcess[] Nodes { get; }

    public Balancer Balancer { get; }

    /// <summary>From the clients to the balancer.</summary>
    public Relay Front { get; }

    public Uri Url => Front.Url;

    public static Task<Cluster> StartAsync(string balancer, bool isPersistent, string[] options, CancellationToken cancellationToken) =>
        StartAsync(NodeProcess.Tool, balancer, isPersistent, options, cancellationToken);

    public static async Task<Cluster> StartAsync(string program, string balancer, bool isPersistent, string[] options, CancellationToken cancellationToken)
    {
        RedisProcess redis = await RedisProcess.StartAsync(isPersistent, cancellationToken);
        Relay[] links = [.. Names.Select(_ => new Relay(redis.Port))];
        NodeProcess[] nodes = await Task.WhenAll(Names.Zip(links, (name, link) => NodeProcess.StartAsync(program, name, link.Address, options, cancellationToken)));
        return new Cluster(redis, links, nodes, await Balancer.StartAsync(balancer, [.. nodes.Select(node => node.Port)], cancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        await Front.DisposeAsync();
        await Balancer.DisposeAsync();
        foreach (NodeProcess node in Nodes)
        {
            await node.DisposeAsync();
        }

        foreach (Relay link in Links)
        {
            await link.DisposeAsync();
        }

        await Redis.DisposeAsync();
    }
}
