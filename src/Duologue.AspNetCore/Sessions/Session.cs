using System.Globalization;
using System.Text;
using Duologue.EngineIo;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore;

/// <summary>One session of Engine.IO on its server: its id, who may use it, and the transports that it has or is about to have.</summary>
internal sealed class Session
{
    private readonly Lock _lock = new();
    private readonly SessionTable _table;
    private readonly ServerMetrics _metrics;
    private readonly TimeSpan _pingInterval;
    private readonly TimeSpan _pingTimeout;
    private SocketTransport? _probe;
    private HttpContext? _post;
    private bool _upgraded;
    private bool _ended;

    public Session(SessionTable table, ServerMetrics metrics, WebSocketConnection connection, EndpointSettings settings, bool isPolled)
    {
        _table = table;
        _metrics = metrics;
        _pingInterval = settings.PingInterval;
        _pingTimeout = settings.PingTimeout;
        MaxPayload = settings.MaxSessionPayload;
        Id = table.NewId();
        State = (ConnectionState)connection.Owner;
        if (isPolled)
        {
            Polled = new PolledTransport(this);
            Carrier = new SessionCarrier(connection, Polled, _pingInterval, _pingTimeout);
        }
        else
        {
            Carrier = null!;
        }

        _table.Add(this);
    }

    public string Id { get; }

    public ConnectionState State { get; }

    public int MaxPayload { get; }

    public SessionCarrier Carrier { get; private set; }

    /// <summary>Null where the session was a WebSocket from its opening on.</summary>
    public PolledTransport? Polled { get; }

    /// <summary>The name and the length of the POST that was taken last; null if it had no name. The POST's that is under way.</summary>
    public (string Name, long? Length)? TakenPost { get; set; }

    /// <summary>Whether requests of polling belong to it.</summary>
    public bool IsPolled
    {
        get
        {
            lock (_lock)
            {
                return Polled is not null && !_upgraded;
            }
        }
    }

    /// <summary>Whether the conversation has ended.</summary>
    public bool HasEnded
    {
        get
        {
            lock (_lock)
            {
                return _ended;
            }
        }
    }

    /// <summary>The session is a WebSocket from its opening on.</summary>
    public void OpenOn(SocketTransport socket, WebSocketConnection connection)
    {
        Carrier = new SessionCarrier(connection, socket, _pingInterval, _pingTimeout);
        socket.CarryFromOpening();
    }

    /// <summary>The handshake has succeeded: begins the conversation. Once.</summary>
    public void Start()
    {
        Transport transport = Carrier.Transport;
        if (State.TryOpen(transport))
        {
            _metrics.OfConnections.Opened(transport);
        }

        Carrier.Start();
    }

    /// <summary>The first packet: what the client is to know.</summary>
    public byte[] OpenPacket(Transport transport)
    {
        string upgrades = transport == Transport.WebSocket ? "[]" : "[\"websocket\"]";
        return Encoding.ASCII.GetBytes(string.Create(
            CultureInfo.InvariantCulture,
            $"0{{\"sid\":\"{Id}\",\"upgrades\":{upgrades},\"pingInterval\":{(long)_pingInterval.TotalMilliseconds},\"pingTimeout\":{(long)_pingTimeout.TotalMilliseconds},\"maxPayload\":{MaxPayload}}}"));
    }

    /// <summary>Whether the session is the one's who asks: an id that was stolen is not enough where users are known.</summary>
    public bool BelongsTo(string? userId) => string.Equals(State.UserId, userId, StringComparison.Ordinal);

    /// <summary>Counts the connection as what it is now.</summary>
    public void ReportTransport()
    {
        // A poll that has just begun may report beside a WebSocket that takes over: whoever reports last has seen the last.
        Transport now;
        do
        {
            now = Carrier.Transport;
            if (State.TryMove(now, out Transport before))
            {
                _metrics.OfConnections.Moved(before, now);
            }
        }
        while (now != Carrier.Transport);
    }

    /// <summary>A WebSocket's try to take over has ended.</summary>
    public void ReportUpgrade(UpgradeOutcome outcome)
    {
        _metrics.Upgraded(outcome);
        WebSocketConnection connection = Carrier.Connection;
        ILogger logger = connection.Setup.Logger;
        if (outcome == UpgradeOutcome.Completed)
        {
            Log.SessionUpgraded(logger, connection.Id);
        }
        else
        {
            Log.SessionNotUpgraded(logger, connection.Id, outcome);
        }
    }

    /// <summary>Lets a WebSocket try to take over; false if the session is on one, another tries, or it has ended.</summary>
    public bool TryProbe(SocketTransport socket, TimeSpan timeout)
    {
        lock (_lock)
        {
            if (_ended || _upgraded || _probe is not null || Polled is null)
            {
                return false;
            }

            _probe = socket;
        }

        socket.AwaitUpgrade(timeout);
        return true;
    }

    /// <summary>The WebSocket that tried is gone; another may try.</summary>
    public void EndProbe(SocketTransport socket)
    {
        lock (_lock)
        {
            if (_probe != socket)
            {
                return;
            }

            _probe = null;
        }

        Polled?.Relax();
    }

    /// <summary>The client has changed to the WebSocket: what is due goes there, before all that is newer.</summary>
    public void FinishUpgrade(SocketTransport socket)
    {
        lock (_lock)
        {
            if (_ended)
            {
                socket.Tell(UpgradeOutcome.Failed);
                return;
            }

            _probe = null;
            _upgraded = true;
        }

        bool hasSwitched = Carrier.Switch(socket);
        Polled!.Replace();
        if (!hasSwitched)
        {
            // The conversation has ended meanwhile, and the WebSocket with it.
            socket.Tell(UpgradeOutcome.Failed);
            return;
        }

        ReportTransport();
        socket.Tell(UpgradeOutcome.Completed);
    }

    /// <summary>Takes the one place for a POST; false if another is under way.</summary>
    public bool TryBeginPost(HttpContext context)
    {
        lock (_lock)
        {
            if (_post is not null)
            {
                return false;
            }

            _post = context;
            return true;
        }
    }

    public void EndPost()
    {
        lock (_lock)
        {
            _post = null;
        }
    }

    /// <summary>Tears down the POST that is under way.</summary>
    public void AbortPost()
    {
        lock (_lock)
        {
            // Under the lock: Kestrel gives the objects of a finished request to the next.
            _post?.Abort();
        }
    }

    /// <summary>The conversation has ended: no request finds the session any more.</summary>
    public void OnEnd()
    {
        SocketTransport? probe;
        lock (_lock)
        {
            _ended = true;
            (probe, _probe) = (_probe, null);
        }

        _table.Remove(this);
        probe?.RefuseProbe("The session has ended.");
    }
}
