using Duologue.EventLoop.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Duologue.EventLoop.Tests.Transport;

public class TransportConnectionTests
{
    [Fact]
    public async Task Others_may_put_in_as_many_features_as_they_like()
    {
        await using var connection = new Bare();
        IFeatureCollection features = connection.Features;
        Type[] keys = [.. typeof(object).Assembly.GetExportedTypes().Take(100)];
        foreach (Type key in keys)
        {
            features[key] = key.Name;
        }

        Assert.All(keys, key => Assert.Equal(key.Name, features[key]));
        Assert.Equal(keys.Length, features.Count(pair => keys.Contains(pair.Key)));
        Assert.Same(connection, features.Get<IConnectionIdFeature>());
        Assert.Null(features.Get<TransportConnectionTests>());
    }

    [Fact]
    public async Task A_feature_of_its_own_may_be_replaced_and_taken_away()
    {
        await using var connection = new Bare();
        IFeatureCollection features = connection.Features;
        int revision = features.Revision;
        var items = new Items();
        features.Set<IConnectionItemsFeature>(items);
        Assert.Same(items, features.Get<IConnectionItemsFeature>());
        Assert.Single(features, pair => pair.Key == typeof(IConnectionItemsFeature));
        Assert.NotEqual(revision, features.Revision);
        features.Set<IConnectionItemsFeature>(null);
        Assert.Null(features.Get<IConnectionItemsFeature>());
        Assert.DoesNotContain(features, pair => pair.Key == typeof(IConnectionItemsFeature));
    }

    private sealed class Bare : TransportConnection
    {
        public override void Abort(ConnectionAbortedException abortReason)
        {
        }
    }

    private sealed class Items : IConnectionItemsFeature
    {
        IDictionary<object, object?> IConnectionItemsFeature.Items { get; set; } = new Dictionary<object, object?>();
    }
}
