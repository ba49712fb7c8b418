using Duologue.AspNetCore;

namespace Duologue.Redis;

/// <summary>The nodes of the registry, as the sessions see them.</summary>
internal sealed class RedisSessionNodes(RedisBroker broker) : SessionNodes
{
    public override string Name => broker.NodeName;
}
