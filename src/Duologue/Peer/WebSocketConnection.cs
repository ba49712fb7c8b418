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
/// One lock guards all state that more than one thread touches: the owner's, see <see cref="Gate"/>. Inside it this takes none but the timeout
/// wheel's, and it is never held while the carrier flushes or user code runs. The reader and its body belong to the carrier's thread alone.
/// </remarks>
internal sealed partial class WebSocketConnection : Connection, ITimeoutTarget
{
    private static long _lastNumber;

    private readonly ConnectionSetup _setup;
    private readonly long _number = Interlocked.Increment(ref _lastNumber);
    private Carrier? _carrier;
    private Dictionary<object, object?>? _items;
    private TimeoutLink _link;

    /// <summary>A connection of nobody's, such as a client's.</summary>
    public WebSocketConnection(ConnectionSetup setup)
        : this(setup, null, new object())
    {
    }

    /// <param name="setup">What it is made of; many may share it.</param>
    /// <param name="request">What the server captured of the opening request.</param>
    /// <param name="owner">What the owner keeps with the connection (the server's state): this connection's alone.</param>
    public WebSocketConnection(ConnectionSetup setup, RequestInfo? request, object owner)
    {
        _setup = setup;
        Request = request;
        Owner = owner;
        _pull = setup.Handler is null ? new PullState { Result = { RunContinuationsAsynchronously = setup.OnThreadPool } } : PullState.Unused;
        if (setup.Deflate is { } agreement)
        {
            Rare.Deflater = new MessageDeflater(agreement);
        }

        _reader = new FrameReader(Role, Options.MaxFragments, setup.Deflate is null ? null : new MessageInflater(setup.Deflate));
        if (setup.Handler is not null)
        {
            // Claimed until the handler was told of the opening: of a connection that ends before, it hears neither.
            Claim(out _);
        }
    }

    public ConnectionSetup Setup => _setup;

    /// <inheritdoc/>
    public override string Id => _number.ToString(CultureInfo.InvariantCulture);

    /// <summary>What <see cref="Id"/> spells.</summary>
    public long Number => _number;

    /// <summary>What the owner keeps with the connection. Its lock is the connection's.</summary>
    public object Owner { get; }

    /// <inheritdoc/>
    public override string? Subprotocol => _setup.Subprotocol;

    /// <inheritdoc/>
    public override string Extensions => _setup.Extensions;

    /// <inheritdoc/>
    public override RequestInfo? Request { get; }

    /// <inheritdoc/>
    public override IDictionary<object, object?> Items => _items ??= [];

    /// <inheritdoc/>
    public override Task<CloseInfo> Closed
    {
        get
        {
            lock (Gate)
            {
                if (ClosedSource is null)
                {
                    ClosedSource = new TaskCompletionSource<CloseInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
                    if (_endTold)
                    {
                        ClosedSource.SetResult(Ending!);
                    }
                }

                return ClosedSource.Task;
            }
        }
    }

    /// <inheritdoc/>
    public override CancellationToken Aborted
    {
        get
        {
            lock (Gate)
            {
                if (AbortedSource is null)
                {
                    if (Ending is not null)
                    {
                        return new CancellationToken(canceled: true);
                    }

                    AbortedSource = new CancellationTokenSource();
                }

                return AbortedSource.Token;
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
        lock (Gate)
        {
            _carrier = carrier;
            ended = Ending is not null;
            waiting = Waiting > 0 || PendingPing != 0 || FlushedSource is not null;
            _flushing = waiting;
            if (!ended)
            {
                StartKeepAlive();
            }
        }

        if (ended)
        {
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

    // No lock of its own: a Lock weighs 48 bytes with the reference to it, and what the owner keeps is there anyway. Not this object, which is also
    // the application's: it might hold it for long, or want its hash, which makes locking dearer.
    private object Gate => Owner;

    private ConnectionOptions Options => _setup.Options;

    private Role Role => _setup.Role;

    private TimeoutWheel Wheel => _setup.Wheel;

    private long Now() => Options.TimeProvider.GetTimestamp();

    private long After(TimeSpan delay) => Later(Now(), delay);

    /// <summary>So long behind a time stamp of the connection's clock; what no clock can count is far away.</summary>
    internal long Later(long timestamp, TimeSpan delay) =>
        timestamp + (long)Math.Min(delay.TotalSeconds * Options.TimeProvider.TimestampFrequency, long.MaxValue / 2);
}
