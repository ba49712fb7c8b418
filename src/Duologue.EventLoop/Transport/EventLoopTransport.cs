using System.Buffers;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Duologue.EventLoop.Diagnostics;
using Duologue.EventLoop.Loops;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Duologue.EventLoop.Transport;

/// <summary>
/// Kestrel's transport on event loops. Where they cannot run it binds nothing, and Kestrel turns to the transport registered before it: its
/// own sockets. The loops start with the first listener and end with the application.
/// </summary>
internal sealed class EventLoopTransport(IOptions<EventLoopOptions> options, ILoggerFactory loggers, IMemoryPoolFactory<byte>? pools, IMeterFactory? meters) : IConnectionListenerFactory, IConnectionListenerFactorySelector, IDisposable
{
    private readonly Lock _lock = new();
    private readonly ILogger _logger = new SteadyLogger(loggers.CreateLogger(LoopLog.Category));
    private BackendChoice? _choice;
    private LoopGroup? _loops;
    private PipeSettings? _settings;
    private bool _disposed;

    /// <summary>The loops, once there is a listener.</summary>
    public LoopGroup? Loops => _loops;

    public bool CanBind(EndPoint endpoint) =>
        endpoint is IPEndPoint or UnixDomainSocketEndPoint && Choose().Backend is not null;

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        LoopGroup loops;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            BackendChoice choice = Choose();
            EventLoopBackend backend = choice.Backend
                ?? throw new NotSupportedException($"The event loop cannot run here: {choice.Reason}");
            _settings ??= new PipeSettings(CreatePool());
            loops = _loops ??= LoopGroup.Start(backend, options.Value, _logger, meters);
        }

        return new ValueTask<IConnectionListener>(new EventLoopListener(endpoint, loops.Loops, _settings));
    }

    public void Dispose()
    {
        LoopGroup? loops;
        PipeSettings? settings;
        lock (_lock)
        {
            _disposed = true;
            (loops, _loops) = (_loops, null);
            (settings, _settings) = (_settings, null);
        }

        loops?.Dispose();
        settings?.Pool.Dispose();
    }

    private MemoryPool<byte> CreatePool() =>
        pools?.Create(new MemoryPoolOptions { Owner = "duologue" }) ?? MemoryPool<byte>.Shared;

    private BackendChoice Choose()
    {
        lock (_lock)
        {
            if (_choice is null)
            {
                _choice = BackendChoice.For(options.Value.Backend);
                if (_choice.Backend is { } backend)
                {
                    LoopLog.BackendChosen(_logger, BackendChoice.NameOf(backend), options.Value.Loops, _choice.Reason);
                }
                else if (options.Value.Backend == EventLoopBackend.Auto)
                {
                    LoopLog.BackendNotThere(_logger, _choice.Reason);
                }
                else
                {
                    LoopLog.BackendUnavailable(_logger, _choice.Reason);
                }
            }

            return _choice;
        }
    }
}
