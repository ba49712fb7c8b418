using Duologue.Peer;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue;

/// <summary>What a connection is made of, as far as connections of one kind have it in common: a server's share one.</summary>
internal sealed class ConnectionSetup
{
    private TimeoutWheel? _wheel;

    public required Role Role { get; init; }

    public required ConnectionOptions Options { get; init; }

    /// <summary>What the owner keeps for all of them; null if nothing. What it keeps with each is <see cref="WebSocketConnection.Owner"/>.</summary>
    public object? Origin { get; init; }

    public string? Subprotocol { get; init; }

    /// <summary>The agreed extensions as a header's value; "" if there are none.</summary>
    public string Extensions { get; init; } = "";

    /// <summary>What was agreed about compression; null if nothing was.</summary>
    public DeflateAgreement? Deflate { get; init; }

    public ConnectionObserver Observer { get; init; } = ConnectionObserver.None;

    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Receives by push; null where the application calls <see cref="Connection.ReceiveAsync()"/>.</summary>
    public IMessageHandler? Handler { get; init; }

    /// <summary>Whether the application's code is called on the thread pool, never on the thread that brings the bytes.</summary>
    public bool OnThreadPool { get; init; }

    /// <summary>Whether the carrier is a session of Engine.IO, which carries whole messages only.</summary>
    public bool IsSession { get; init; }

    /// <summary>Where deadlines are kept: the clock's wheel.</summary>
    public TimeoutWheel Wheel => _wheel ??= TimeoutWheel.For(Options.TimeProvider);
}
