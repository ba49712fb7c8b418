using System.Diagnostics;
using System.Globalization;
using Duologue.Carriers;
using Duologue.Peer;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;
using Microsoft.Extensions.Logging;

namespace Duologue;

/// <summary>
/// A peer of a WebSocket conversation: the protocol on one side, a carrier on the other, the application between.
/// </summary>
/// <remarks>
/// One lock guards all state that more than one thread touches. It is a leaf but for the timeout wheel's, and is never
/// held while the carrier flushes or user code runs. The reader and its body belong to the carrier's thread alone.
/// </remarks>
internal sealed partial class WebSocketConnection : Connection, ITimeoutTarget
{
    private static long _lastNumber;

    private readonly ConnectionSetup _setup;
    private readonly ConnectionOptions _options;
    private readonly Role _role;
    private readonly TimeoutWheel _wheel;
    private readonly long _number = Interlocked.Increment(ref _lastNumber);
    private readonly Lock _gate = new();
    private Carrier? _carrier;
    private string? _id;
    private Dictionary<object, object?>? _items;
    private TaskCompletionSource<CloseInfo>? _closedSource;
    private CancellationTokenSource? _abortedSource;
    private TimeoutLink _link;

    public WebSocketConnection(ConnectionSetup setup)
    {
        _setup = setup;
        _options = setup.Options;
        _role = setup.Role;
        _wheel = TimeoutWheel.For(_options.TimeProvider);
        if (setup.Deflate is { } agreement)
        {
            _deflater = new MessageDeflater(agreement);
        }

        _reader = new FrameReader(_role, _options.MaxFragments, setup.Deflate is null ? null : new MessageInflater(setup.Deflate));
        _received.RunContinuationsAsynchronously = setup.OnThreadPool;
        if (setup.Handler is not null)
        {
            // Held until the handler was told of the opening: an end before that is an end it never hears of.
            Claim(out _);
        }
    }

    public ConnectionSetup Setup => _setup;

    /// <inheritdoc/>
    public override string Id => _id ??= _number.ToString(CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public override Transport Transport => Transport.WebSocket;

    /// <inheritdoc/>
    public override string? Subprotocol => _setup.Subprotocol;

    /// <inheritdoc/>
    public override string Extensions => _setup.Extensions;

    /// <inheritdoc/>
    public override RequestInfo? Request => _setup.Request;

    /// <inheritdoc/>
    public override IDictionary<object, object?> Items => _items ??= [];

    /// <inheritdoc/>
    public override Task<CloseInfo> Closed
    {
        get
        {
            lock (_gate)
            {
                if (_closedSource is null)
                {
                    _closedSource = new TaskCompletionSource<CloseInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
                    if (_endTold)
                    {
                        _closedSource.SetResult(_closeInfo!);
                    }
                }

                return _closedSource.Task;
            }
        }
    }

    /// <inheritdoc/>
    public override CancellationToken Aborted
    {
        get
        {
            lock (_gate)
            {
                if (_abortedSource is null)
                {
                    if (_closeInfo is not null)
                    {
                        return new CancellationToken(canceled: true);
                    }

                    _abortedSource = new CancellationTokenSource();
                }

                return _abortedSource.Token;
            }
        }
    }

    ref TimeoutLink ITimeoutTarget.Link => ref _link;

    /// <summary>Ties the carrier to the connection and tells the handler. Once, by the carrier, before anything else.</summary>
    public void Start(Carrier carrier)
    {
        Debug.Assert(_carrier is null, "A connection has one carrier for life.");
        bool ended;
        bool waiting;
        lock (_gate)
        {
            _carrier = carrier;
            ended = _closeInfo is not null;
            waiting = _outbox.Count > 0 || _pendingPing != 0 || _flushedSource is not null;
            _flushing = waiting;
            if (!ended)
            {
                StartKeepAlive();
            }
        }

        if (ended)
        {
            CompleteHandled();
            carrier.Abort();
            return;
        }

        if (waiting)
        {
            Flush();
        }

        if (_setup.Logger.IsEnabled(LogLevel.Debug))
        {
            _setup.Logger.ConnectionOpened(Id);
        }

        if (_setup.OnThreadPool && _setup.Handler is not null)
        {
            _openIsDue = true;
            Hop();
        }
        else if (_setup.Handler is not null)
        {
            Open();
        }
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync() => await CloseAsync(CloseFrame.NormalClosure, "").ConfigureAwait(false);

    /// <inheritdoc/>
    public override System.Net.WebSockets.WebSocket AsSystemWebSocket() => new Adapters.SystemWebSocket(this);

    private long Now() => _options.TimeProvider.GetTimestamp();

    private long After(TimeSpan delay) => Later(Now(), delay);

    private long Later(long timestamp, TimeSpan delay) =>
        timestamp + (long)(delay.TotalSeconds * _options.TimeProvider.TimestampFrequency);
}
