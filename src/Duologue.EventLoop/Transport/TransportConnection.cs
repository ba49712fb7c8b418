using System.Buffers;
using System.Collections;
using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Duologue.EventLoop.Transport;

/// <summary>
/// What every transport's connection offers to Kestrel and to middleware, and the collection in which it offers that: itself. Others may put
/// in more, or replace what is there, as in any such collection.
/// </summary>
internal abstract class TransportConnection : ConnectionContext, IFeatureCollection,
    IConnectionIdFeature, IConnectionTransportFeature, IConnectionItemsFeature, IConnectionLifetimeFeature, IConnectionEndPointFeature, IMemoryPoolFeature
{
    /// <summary>Kestrel puts in four or five.</summary>
    private const int UsualOthers = 6;

    private const int MaxId = 2 + 16;

    private static long _lastId;

    // So few that looking at each costs less than a hash table, and its memory.
    private KeyValuePair<Type, object?>[] _others = [];
    private int _otherCount;
    private string? _id;
    private IDictionary<object, object?>? _items;
    private int _revision;

    public override string ConnectionId
    {
        get => _id ??= string.Create(CultureInfo.InvariantCulture, stackalloc char[MaxId], $"EL{Interlocked.Increment(ref _lastId):X8}");
        set => _id = value;
    }

    public override IFeatureCollection Features => this;

    public override IDictionary<object, object?> Items
    {
        get => _items ??= new ConnectionItems();
        set => _items = value;
    }

    public override IDuplexPipe Transport { get; set; } = null!;

    public override CancellationToken ConnectionClosed { get; set; }

    public override EndPoint? LocalEndPoint { get; set; }

    public override EndPoint? RemoteEndPoint { get; set; }

    public MemoryPool<byte> MemoryPool { get; protected init; } = null!;

    bool IFeatureCollection.IsReadOnly => false;

    int IFeatureCollection.Revision => _revision;

    object? IFeatureCollection.this[Type key]
    {
        get => Find(key);
        set => Put(key, value);
    }

    void IConnectionLifetimeFeature.Abort() => Abort(new ConnectionAbortedException("The application ended the connection."));

    TFeature? IFeatureCollection.Get<TFeature>()
        where TFeature : default => (TFeature?)Find(typeof(TFeature));

    void IFeatureCollection.Set<TFeature>(TFeature? instance)
        where TFeature : default => Put(typeof(TFeature), instance);

    IEnumerator<KeyValuePair<Type, object>> IEnumerable<KeyValuePair<Type, object>>.GetEnumerator() => List().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => List().GetEnumerator();

    private void Put(Type key, object? value)
    {
        _revision++;
        int index = IndexOf(key);
        if (index < 0)
        {
            index = _otherCount;
            if (index == _others.Length)
            {
                Array.Resize(ref _others, Math.Max(UsualOthers, 2 * index));
            }

            _otherCount++;
        }

        _others[index] = new(key, value);
    }

    private int IndexOf(Type key)
    {
        for (int i = 0; i < _otherCount; i++)
        {
            if (_others[i].Key == key)
            {
                return i;
            }
        }

        return -1;
    }

    private object? Find(Type key)
    {
        int index = IndexOf(key);
        return index >= 0 ? _others[index].Value : IsOwn(key) ? this : null;
    }

    private static bool IsOwn(Type key) =>
        key == typeof(IConnectionTransportFeature) || key == typeof(IConnectionIdFeature) || key == typeof(IConnectionLifetimeFeature)
        || key == typeof(IConnectionEndPointFeature) || key == typeof(IConnectionItemsFeature) || key == typeof(IMemoryPoolFeature)
        || key == typeof(IConnectionDetachFeature);

    private IEnumerable<KeyValuePair<Type, object>> List()
    {
        Type[] own =
        [
            typeof(IConnectionTransportFeature), typeof(IConnectionIdFeature), typeof(IConnectionLifetimeFeature),
            typeof(IConnectionEndPointFeature), typeof(IConnectionItemsFeature), typeof(IMemoryPoolFeature), typeof(IConnectionDetachFeature),
        ];
        foreach (Type key in own.Concat(_others.Take(_otherCount).Select(other => other.Key)).Distinct())
        {
            if (Find(key) is { } feature)
            {
                yield return new(key, feature);
            }
        }
    }
}
