using System.Diagnostics;
using System.Net;
using Duologue.LoadGenerator;

namespace Duologue.Backplane;

/// <summary>
/// Publishes on the first of two nodes what clients of both receive, from one thread and raw sockets. Every message has a number, and every receiver checks that it gets each of its topic once, in order.
/// At fixed times, latency counts from when a message should have been published (no coordinated omission).
/// </summary>
internal sealed class BackplaneLoad : ILinkHandler, IDisposable
{
    private const int Remembered = 1 << 17; // publishes; a power of two
    private const int MaxNumbers = 100_000_000; // eight digits

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LifeInterval = TimeSpan.FromSeconds(10);

    private readonly Poller _poller = new();
    private readonly LoadShape _shape;
    private readonly IReadOnlyList<int> _nodes;
    private readonly int _redis;
    private readonly CpuTime _joinCost;
    private readonly Dialect _dialect;
    private readonly Link[] _links;
    private readonly Client[] _clients;
    private readonly long[] _published = new long[Remembered];
    private readonly int[] _inTopic; // publishes of each
    private readonly long[] _delivered; // deliveries of each topic
    private readonly double _interval;
    private readonly Latencies _across = new();
    private readonly Latencies _beside = new();
    private long _start;
    private int _next;
    private int _firstMeasured = int.MaxValue;
    private long _deliveries;
    private long _lastLife = Latencies.Now;
    private bool _isOver;

    /// <summary>Opens all connections and joins all topics.</summary>
    /// <param name="ports">Of the nodes; the first has the publishers.</param>
    /// <param name="nodes">Their processes, whose CPU time counts.</param>
    /// <param name="redis">The process of Redis.</param>
    public BackplaneLoad(LoadShape shape, Engine engine, IReadOnlyList<int> ports, IReadOnlyList<int> nodes, int redis)
    {
        (_nodes, _redis) = (nodes, redis);
        CpuTime before = Sum(nodes);
        (_shape, _dialect) = (shape, Dialect.Of(engine));
        _interval = shape.Rate > 0 ? (double)Stopwatch.Frequency / shape.Rate : 0;
        (_inTopic, _delivered) = (new int[shape.Topics], new long[shape.Topics]);
        int perTopic = 1 + (shape.Receivers * ports.Count);
        _links = new Link[shape.Topics * perTopic];
        _clients = new Client[_links.Length];
        int index = 0;
        for (int topic = 0; topic < shape.Topics; topic++)
        {
            Open(index++, topic, ports[0], Role.Publisher);
            for (int i = 0; i < shape.Receivers * ports.Count; i++)
            {
                int node = i % ports.Count;
                Open(index++, topic, ports[node], node == 0 ? Role.Beside : Role.Across);
            }
        }

        RunUntil(() => Array.TrueForAll(_clients, client => client.IsJoined || client.Role == Role.Publisher), After(Patience), "Not all have joined");
        _joinCost = Sum(nodes) - before;
    }

    private enum Role : byte
    {
        Publisher,

        /// <summary>Receives on the node of the publishers.</summary>
        Beside,

        /// <summary>Receives on the other.</summary>
        Across,
    }

    /// <summary>Lets it run warm, measures for so long, and waits for what is then on its way.</summary>
    public Dictionary<string, double> Run(TimeSpan warmup, TimeSpan duration)
    {
        _start = Latencies.Now;
        RunUntil(() => false, After(warmup), null);
        _across.Clear();
        _beside.Clear();
        _firstMeasured = _next;
        long deliveries = _deliveries;
        int publishes = _next;
        long segments = CountSegments();
        CpuTime[] before = [.. _nodes.Select(CpuTime.Of)];
        CpuTime redisBefore = CpuTime.Of(_redis);
        CpuTime ownBefore = CpuTime.Of(Environment.ProcessId);
        long begin = Latencies.Now;
        RunUntil(() => false, After(duration), null);
        double elapsed = Stopwatch.GetElapsedTime(begin).TotalNanoseconds;
        CpuTime[] each = [.. _nodes.Select((node, i) => CpuTime.Of(node) - before[i])];
        CpuTime used = each[0] + each[1];
        CpuTime redisUsed = CpuTime.Of(_redis) - redisBefore;
        CpuTime ownUsed = CpuTime.Of(Environment.ProcessId) - ownBefore;
        segments = CountSegments() - segments;
        double count = Math.Max(1, _deliveries - deliveries);
        double published = Math.Max(1, _next - publishes);

        _isOver = true;
        long expected = (long)_next * _shape.Receivers * LoadShape.Nodes;
        long end = After(Patience);
        RunUntil(() => _deliveries >= expected || Latencies.Now >= end, long.MaxValue, null);
        return new Dictionary<string, double>
        {
            ["mps"] = count / elapsed * 1e9,
            ["publishes"] = published / elapsed * 1e9,
            ["cpu_ns"] = used.Nanoseconds / count,
            ["user_ns"] = used.User / count,
            ["sys_ns"] = used.System / count,
            ["srv_util"] = used.Nanoseconds / elapsed,
            ["first_ns"] = each[0].Nanoseconds / published,
            ["second_ns"] = each[1].Nanoseconds / published,
            ["join_ns"] = _joinCost.Nanoseconds / (double)_links.Length,
            ["segments"] = segments / count,
            ["redis_ns"] = redisUsed.Nanoseconds / published,
            ["gen_util"] = ownUsed.Nanoseconds / elapsed,
            ["p50_us"] = _across.Percentile(50),
            ["p99_us"] = _across.Percentile(99),
            ["beside_p50_us"] = _beside.Percentile(50),
            ["beside_p99_us"] = _beside.Percentile(99),
            ["missing"] = expected - _deliveries,
        };
    }

    public bool Looks(Link link) => true;

    public void OnReceived(Link link, ReadOnlySpan<byte> bytes, int count)
    {
        ref Client client = ref _clients[link.Index];
        client.Counter.Feed(bytes);
        if (client.Counter.IsClosed)
        {
            throw new LoadException("The server closed a connection.");
        }

        if (client.Counter.Pong is { } pong && !link.IsBusy)
        {
            link.Send(pong);
            client.Counter.TakePong();
        }

        if (!client.IsJoined)
        {
            client.IsJoined = bytes.IndexOf(_dialect.JoinedMark) >= 0;
        }

        if (client.Role != Role.Publisher)
        {
            client.Scanner.Feed(bytes, new Arrival(this, link.Index, Latencies.Now));
        }
        else if (bytes.IndexOf("\"error\""u8) >= 0)
        {
            throw new LoadException($"A publish was refused: {System.Text.Encoding.UTF8.GetString(bytes)}");
        }
    }

    public void OnSent(Link link)
    {
    }

    public void OnEnd(Link link) => throw new LoadException("The server ended a connection.");

    public void Dispose()
    {
        Array.ForEach(_links, link => link?.Dispose());
        _poller.Dispose();
    }

    private static long After(TimeSpan time) => Latencies.Now + (long)(time.TotalSeconds * Stopwatch.Frequency);

    private long CountSegments() => _links.Sum(link => (long)link.SegmentsReceived);

    private static CpuTime Sum(IEnumerable<int> processes) => processes.Aggregate(default(CpuTime), (sum, process) => sum + CpuTime.Of(process));

    private void Open(int index, int topic, int port, Role role)
    {
        LoadOptions options = new()
        {
            Host = IPAddress.Loopback, Port = port, Path = _dialect.Path, Connections = 1, Payload = LoadShape.Payload, Depth = 1, Duration = TimeSpan.Zero, Subprotocol = _dialect.Subprotocol,
        };
        _clients[index] = new Client { Topic = topic, Role = role };
        Link link = _links[index] = Link.Open(options, _dialect.Path, index, this, _poller);
        link.Send((byte[])[.. _dialect.Hello, .. role == Role.Publisher ? [] : _dialect.Join(LoadShape.TopicName(topic))]);
    }

    private void RunUntil(Func<bool> enough, long end, string? otherwise)
    {
        long now;
        while (!enough())
        {
            if ((now = Latencies.Now) >= end)
            {
                if (otherwise is not null)
                {
                    throw new LoadException(otherwise + $" after {Patience.TotalSeconds} s.");
                }

                return;
            }

            _poller.Turn(Advance(now));
        }
    }

    /// <summary>Publishes what is due; how long nothing will be.</summary>
    private TimeSpan Advance(long now)
    {
        TimeSpan wait = TimeSpan.FromMilliseconds(20);
        if (Stopwatch.GetElapsedTime(_lastLife, now) > LifeInterval)
        {
            _lastLife = now;
            SendSignsOfLife();
        }

        if (_start == 0 || _isOver)
        {
            return wait;
        }

        if (_shape.Rate == 0)
        {
            for (int topic = 0; topic < _shape.Topics; topic++)
            {
                // What all have, by what has been delivered in all.
                while (_inTopic[topic] - (_delivered[topic] / (_shape.Receivers * LoadShape.Nodes)) < _shape.Depth && TryPublish(topic, now))
                {
                }
            }

            return wait;
        }

        while (Due(_next) <= now && TryPublish(_next % _shape.Topics, Due(_next)))
        {
        }

        TimeSpan untilDue = Stopwatch.GetElapsedTime(now, Due(_next));
        return untilDue < TimeSpan.Zero ? TimeSpan.Zero : untilDue < wait ? untilDue : wait;
    }

    private long Due(int number) => _start + (long)(number * _interval);

    // The numbers count within a topic: each receiver knows its next.
    private bool TryPublish(int topic, long at)
    {
        Link link = _links[topic * (1 + (_shape.Receivers * LoadShape.Nodes))];
        if (link.IsBusy)
        {
            return false;
        }

        int number = (_inTopic[topic]++ * _shape.Topics) + topic;
        if (number >= MaxNumbers)
        {
            throw new LoadException("The numbers have run out.");
        }

        _published[number & (Remembered - 1)] = at;
        _next++;
        link.Send(_dialect.Publish(LoadShape.TopicName(topic), NumberScanner.Text(number, LoadShape.Payload)));
        return true;
    }

    private void SendSignsOfLife()
    {
        if (_dialect.SignOfLife is { Length: > 0 } life)
        {
            foreach (Link link in _links)
            {
                if (link is { IsBusy: false })
                {
                    link.Send(life);
                }
            }
        }
    }

    private void Arrive(int index, int number, long now)
    {
        ref Client client = ref _clients[index];
        if (number != (client.Received * _shape.Topics) + client.Topic)
        {
            throw new LoadException($"A receiver got number {number} of topic {client.Topic}, in place of its message {client.Received}.");
        }

        client.Received++;
        _delivered[client.Topic]++;
        _deliveries++;
        if (number >= _firstMeasured)
        {
            (client.Role == Role.Across ? _across : _beside).Add(_published[number & (Remembered - 1)], now);
        }
    }

    private readonly record struct Arrival(BackplaneLoad Load, int Index, long Now) : INumberHandler
    {
        public void OnNumber(int number) => Load.Arrive(Index, number, Now);
    }

    private struct Client
    {
        public int Topic;
        public Role Role;
        public bool IsJoined;
        public int Received;
        public FrameCounter Counter;
        public NumberScanner Scanner;
    }
}
