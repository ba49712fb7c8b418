using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Duologue.AspNetCore;

/// <summary>What all endpoints of an application share. One per container.</summary>
internal sealed class DuologueServer : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly List<MessageHandler> _handlers = [];
    private readonly List<DuologueEndpoint> _endpoints = [];
    private volatile bool _draining;

    public DuologueServer(IOptions<DuologueOptions> options, Connections connections, ServerMetrics metrics, TimeProvider timeProvider, ILoggerFactory loggers, Broker? broker = null, SessionNodes? nodes = null)
    {
        Options = options.Value;
        Connections = connections;
        Metrics = metrics;
        TimeProvider = timeProvider;
        HandshakeLogger = Limited(Log.HandshakeCategory);
        ConnectionLogger = Limited(Log.ConnectionsCategory);
        Admission = new AdmissionControl(Options.MaxConnections, Options.MaxConnectionsPerAddress);
        SessionAdmission = new AdmissionControl(0, Options.MaxSessionsPerAddress);
        Nodes = nodes;
        Node = nodes?.Name ?? Options.NodeName ?? SessionId.NewNode();
        Compression = new CompressionAdmission(Options.MaxDedicatedCompressors, metrics, HandshakeLogger);
        HandshakeRate = new HandshakeRate(Options.MaxHandshakesPerSecond, Options.MaxHandshakesPerSecondPerAddress, timeProvider);
        TopicLogger = Limited(Log.TopicsCategory);
        Topics = new TopicHub(Options, broker, Node, metrics, timeProvider, TopicLogger);
        metrics.Observe(Topics);
        Observer = new ServerObserver(this, metrics.OfConnections, timeProvider);

        LimitedLogger Limited(string category) => new(new SteadyLogger(loggers.CreateLogger(category)), timeProvider, metrics.EventSuppressed);
    }

    public DuologueOptions Options { get; }

    public Connections Connections { get; }

    public ServerMetrics Metrics { get; }

    public TimeProvider TimeProvider { get; }

    public AdmissionControl Admission { get; }

    /// <summary>Counts sessions, beside <see cref="Admission"/>, which counts all connections.</summary>
    public AdmissionControl SessionAdmission { get; }

    /// <summary>What the ids of this server's sessions begin with.</summary>
    public string Node { get; }

    /// <summary>The nodes among which this is one; null where it is alone.</summary>
    public SessionNodes? Nodes { get; }

    public CompressionAdmission Compression { get; }

    public HandshakeRate HandshakeRate { get; }

    public TopicHub Topics { get; }

    public ServerObserver Observer { get; }

    public ILogger HandshakeLogger { get; }

    public ILogger ConnectionLogger { get; }

    public ILogger TopicLogger { get; }

    /// <summary>Whether new connections are refused because the server is stopping.</summary>
    public bool IsDraining => _draining;

    public void BeginDraining()
    {
        _draining = true;
        Topics.BeginDraining();
    }

    /// <summary>Keeps an endpoint that may still be given its handlers, to judge it once the application has started.</summary>
    public void Expect(DuologueEndpoint endpoint)
    {
        lock (_lock)
        {
            _endpoints.Add(endpoint);
        }
    }

    /// <exception cref="InvalidOperationException">Nobody would talk to the connections of an endpoint.</exception>
    public void ThrowIfIncomplete()
    {
        DuologueEndpoint[] endpoints;
        lock (_lock)
        {
            endpoints = [.. _endpoints];
        }

        foreach (DuologueEndpoint endpoint in endpoints)
        {
            endpoint.ThrowIfIncomplete();
        }
    }

    /// <summary>Keeps a handler that was made for an endpoint, to dispose of it at the end: the container does not know it.</summary>
    public void Own(MessageHandler handler)
    {
        lock (_lock)
        {
            _handlers.Add(handler);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Topics.Dispose();
        MessageHandler[] handlers;
        lock (_lock)
        {
            handlers = [.. _handlers];
            _handlers.Clear();
        }

        foreach (MessageHandler handler in handlers)
        {
            switch (handler)
            {
                case IAsyncDisposable asynchronous:
                    await asynchronous.DisposeAsync().ConfigureAwait(false);
                    break;
                case IDisposable disposable:
                    disposable.Dispose();
                    break;
            }
        }
    }
}
