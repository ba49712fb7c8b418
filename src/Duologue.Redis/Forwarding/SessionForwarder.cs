using System.Collections.Concurrent;
using System.Net;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Yarp.ReverseProxy.Forwarder;

namespace Duologue.Redis;

/// <summary>
/// Sends the requests of other nodes' sessions to them, WebSockets too: only to addresses that the registry has, and only what was not forwarded before. Where to, no client can say but by the name of a node.
/// </summary>
internal sealed class SessionForwarder : SessionNodes, IDisposable
{
    // What a proxy in front has said was either taken into account on this node or not believed: the other node must not read it again. (Of a list of addresses only the last
    // count; those before them anybody may have written.)
    private static readonly string[] UsualProxyHeaders = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded"];

    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(20);

    // How long a poll is held that comes while this node stops, and how long until an owner is asked again which had not known the poll.
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    // Shorter than Kestrel's: what is about to be closed there is not used any more here.
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<CancellationTokenSource, byte> _sockets = new();

    // Those that have no answer yet: if their node goes, none comes.
    private readonly ConcurrentDictionary<PendingForward, byte> _pending = new();
    private readonly HttpMessageInvoker _invoker;
    private readonly string[] _proxyHeaders;
    private readonly RedisBroker _broker;
    private readonly RedisMetrics _metrics;
    private readonly IHttpForwarder _forwarder;
    private readonly TimeProvider _time;
    private readonly DuologueOptions _options;
    private readonly TimeSpan? _longestPoll;
    private readonly HostOptions _host;
    private readonly ILogger _logger;
    private volatile bool _isDraining;
    private int _active;

    public SessionForwarder(
        RedisBroker broker,
        RedisMetrics metrics,
        ServerMetrics server,
        TimeProvider time,
        IOptions<RedisBrokerOptions> redis,
        IOptions<DuologueOptions> options,
        IOptions<HostOptions> host,
        IOptions<ForwardedHeadersOptions> proxies,
        ILoggerFactory loggers)
    {
        ForwardedHeadersOptions names = proxies.Value;
        _proxyHeaders = [.. UsualProxyHeaders, names.ForwardedForHeaderName, names.ForwardedHostHeaderName, names.ForwardedProtoHeaderName, names.ForwardedPrefixHeaderName];
        _invoker = new HttpMessageInvoker(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = redis.Value.ForwardConnectTimeout,
            PooledConnectionIdleTimeout = IdleTimeout,
            UseCookies = false,
            UseProxy = false,
        });
        (_broker, _metrics, _forwarder, _time, _options, _host) = (broker, metrics, QuietForwarder.Create(Limited, time), time, options.Value, host.Value);
        _longestPoll = redis.Value.LongestForwardedPoll;
        _logger = Limited(Log.Category);
        metrics.Observe(this);
        broker.Registry.Changed += (came, went) =>
        {
            if (went.Count > 0 && !_pending.IsEmpty)
            {
                // Elsewhere: what a cancellation sets off is not for the one who keeps the lease.
                _ = Task.Run(() => GiveUp(went));
            }
        };

        // What fails here is often a client's doing.
        LimitedLogger Limited(string category) => new(new SteadyLogger(loggers.CreateLogger(category)), time, server.EventSuppressed);
    }

    public override string Name => _broker.NodeName;

    /// <summary>Requests and WebSockets that are being forwarded.</summary>
    public int Active => Volatile.Read(ref _active);

    public override async Task<ForwardOutcome> TryForwardAsync(HttpContext context, string node, bool isUpgrade, TimeSpan silence)
    {
        NodeEntry? owner = context.Request.Headers.ContainsKey(ForwardMark.Header) ? null : await _broker.Registry.FindAsync(node, context.RequestAborted).ConfigureAwait(false);
        if (owner?.Address is null)
        {
            _metrics.Forwarded("node_gone");
            return ForwardOutcome.NodeGone;
        }

        Interlocked.Increment(ref _active);
        using var stop = new CancellationTokenSource();
        if (isUpgrade)
        {
            _sockets.TryAdd(stop, 0);
            if (_isDraining)
            {
                // Nobody looks for it any more: it came between the drain's beginning and the server's.
                End(stop);
            }
        }

        var pending = new PendingForward(owner, stop, !isUpgrade && HeldPoll.Is(context.Request));
        _pending.TryAdd(pending, 0);
        try
        {
            if (!_broker.Registry.Lives(owner))
            {
                // It went before anybody could have told us.
                pending.GiveUp();
            }

            return await ForwardAsync(context, owner, pending, silence, stop.Token).ConfigureAwait(false);
        }
        finally
        {
            _pending.TryRemove(pending, out _);
            _sockets.TryRemove(stop, out _);
            Interlocked.Decrement(ref _active);
        }
    }

    /// <summary>
    /// Ends the WebSockets that go through this node, spread as the closes of its own are, and asks the owners of the polls that it has forwarded for their answers, likewise; other requests end by themselves, with the answers that
    /// they wait for.
    /// </summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        _isDraining = true;
        var asking = new List<Task>();
        Action[] ends =
        [
            .. _sockets.Keys.Select(socket => (Action)(() => End(socket))),
            .. _pending.Keys.Where(pending => pending.IsHeld).Select(poll => (Action)(() => asking.Add(AskForAnswerAsync(poll, cancellationToken)))),
        ];
        TimeSpan shutdown = _host.ShutdownTimeout == Timeout.InfiniteTimeSpan ? TimeSpan.FromDays(2) : _host.ShutdownTimeout;
        TimeSpan window = DrainPlan.For(ends.Length, _options.DrainWindow, _options.CloseTimeout, shutdown).Window;
        long start = _time.GetTimestamp();
        for (int ended = 0; ended < ends.Length;)
        {
            double share = window > Tick ? (_time.GetElapsedTime(start) + Tick) / window : 1;
            int due = (int)Math.Min(ends.Length, Math.Ceiling(ends.Length * share));
            for (; ended < due; ended++)
            {
                ends[ended]();
            }

            await Task.Delay(Tick, _time, cancellationToken).ConfigureAwait(false);
        }

        await Task.WhenAll(asking).ConfigureAwait(false);
    }

    public void Dispose() => _invoker.Dispose();

    private static void End(CancellationTokenSource socket)
    {
        try
        {
            socket.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended by itself.
        }
    }

    /// <summary>Asks until there is an answer, be it that of the poll.</summary>
    private async Task AskForAnswerAsync(PendingForward poll, CancellationToken cancellationToken)
    {
        try
        {
            while (poll.Waits && _pending.ContainsKey(poll))
            {
                if (await IsTakenAsync(poll, cancellationToken).ConfigureAwait(false))
                {
                    return;
                }

                await Task.Delay(Moment, _time, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // This node has no more time. The poll has its answer when its owner does not hold it any longer.
        }
    }

    private async Task<bool> IsTakenAsync(PendingForward poll, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, HeldPoll.EndOf(poll.Owner.Address!, poll.Nonce));
        string mark = ForwardMark.Create(poll.Owner.Secret, request.Method.Method, request.RequestUri!.PathAndQuery, Uri.UriSchemeHttp, null, 0, _broker.Registry.StoreTime);
        request.Headers.TryAddWithoutValidation(ForwardMark.Header, mark);
        try
        {
            using HttpResponseMessage answer = await _invoker.SendAsync(request, cancellationToken).ConfigureAwait(false);
            return answer.IsSuccessStatusCode;
        }
        catch (Exception error) when (error is HttpRequestException || (error is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // The latter says that connecting took longer than ForwardConnectTimeout.
            Log.EndNotAsked(_logger, Name, poll.Owner.Name, error.Message);
            return false;
        }
    }

    private void GiveUp(IReadOnlyList<NodeEntry> went)
    {
        foreach ((PendingForward pending, byte _) in _pending)
        {
            if (went.Any(node => node.Incarnation == pending.Owner.Incarnation))
            {
                pending.GiveUp();
            }
        }
    }

    private async Task<ForwardOutcome> ForwardAsync(HttpContext context, NodeEntry owner, PendingForward pending, TimeSpan silence, CancellationToken cancellationToken)
    {
        // HTTP/1.1, which every server has without TLS, too.
        var config = new ForwarderRequestConfig { ActivityTimeout = silence, Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        ForwarderError error = await _forwarder.SendAsync(context, owner.Address!.AbsoluteUri, _invoker, config, new Marking(pending, _proxyHeaders, _isDraining ? Moment : _longestPoll, _broker.Registry.StoreTime), cancellationToken).ConfigureAwait(false);
        if (error == ForwarderError.None)
        {
            _metrics.Forwarded("answered");
            return ForwardOutcome.Answered;
        }

        (ForwardOutcome outcome, string name) = context.Response.HasStarted ? (ForwardOutcome.Answered, "failed")
            : pending.IsGivenUp || error == ForwarderError.Request ? (ForwardOutcome.NodeGone, "node_gone")
            : IsUnconnected(context, error) ? (ForwardOutcome.NodeAway, "node_away")
            : (ForwardOutcome.Answered, "failed");
        _metrics.Forwarded(name);
        Log.ForwardFailed(_logger, Name, owner.Name, error.ToString());
        return outcome;
    }

    // The handler says so in no other way that it was its own patience with the connecting that was over.
    private static bool IsUnconnected(HttpContext context, ForwarderError error) =>
        error == ForwarderError.RequestTimedOut && context.GetForwarderErrorFeature()?.Exception is OperationCanceledException { InnerException: TimeoutException };

    /// <summary>A request without an answer. Either an answer begins, or it is given up because its node is gone.</summary>
    private sealed class PendingForward(NodeEntry owner, CancellationTokenSource stop, bool isHeld)
    {
        private const int Waiting = 0;
        private const int Answered = 1;
        private const int GivenUp = 2;

        private int _state;

        public NodeEntry Owner => owner;

        /// <summary>Whether the answer may be held for a while.</summary>
        public bool IsHeld => isHeld;

        /// <summary>The number of its mark.</summary>
        public long Nonce { get; } = ForwardMark.NewNonce();

        public bool Waits => Volatile.Read(ref _state) == Waiting;

        public bool IsGivenUp => Volatile.Read(ref _state) == GivenUp;

        public void Answer() => Interlocked.CompareExchange(ref _state, Answered, Waiting);

        public void GiveUp()
        {
            if (Interlocked.CompareExchange(ref _state, GivenUp, Waiting) == Waiting)
            {
                End(stop);
            }
        }
    }

    private sealed class Marking(PendingForward pending, string[] proxyHeaders, TimeSpan? longest, DateTimeOffset now) : HttpTransformer
    {
        public override ValueTask<bool> TransformResponseAsync(HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
        {
            if (proxyResponse is not null)
            {
                pending.Answer();
            }

            return base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        }

        public override async ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
        {
            await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken).ConfigureAwait(false);
            HttpRequest request = httpContext.Request;
            proxyRequest.RequestUri = RequestUtilities.MakeDestinationAddress(destinationPrefix, request.PathBase.Add(request.Path), HeldPoll.Shorten(request, longest));
            foreach (string header in proxyHeaders)
            {
                proxyRequest.Headers.Remove(header);
            }

            // The host is the client's: by it the other node tells whether a page is of its own origin.
            proxyRequest.Headers.Host = request.Host.Value;
            ConnectionInfo connection = httpContext.Connection;
            string mark = ForwardMark.Create(pending.Owner.Secret, proxyRequest.Method.Method, proxyRequest.RequestUri.PathAndQuery, request.Scheme, connection.RemoteIpAddress, connection.RemotePort, pending.Nonce, now);
            proxyRequest.Headers.Remove(ForwardMark.Header);
            proxyRequest.Headers.TryAddWithoutValidation(ForwardMark.Header, mark);
        }
    }
}
