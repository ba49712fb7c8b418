using Duologue.Protocol;
using Duologue.Protocol.Deflate;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue;

/// <summary>What a connection is made of, known when the handshake is done.</summary>
internal sealed class ConnectionSetup
{
    public required Role Role { get; init; }

    public required ConnectionOptions Options { get; init; }

    public string? Subprotocol { get; init; }

    /// <summary>The agreed extensions as a header's value; "" if there are none.</summary>
    public string Extensions { get; init; } = "";

    /// <summary>What was agreed about compression; null if nothing was.</summary>
    public DeflateAgreement? Deflate { get; init; }

    public RequestInfo? Request { get; init; }

    public ConnectionObserver Observer { get; init; } = ConnectionObserver.None;

    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Receives by push; null where the application calls <see cref="Connection.ReceiveAsync()"/>.</summary>
    public IMessageHandler? Handler { get; init; }

    /// <summary>Whether the application's code is called on the thread pool, never on the thread that brings the bytes.</summary>
    public bool OnThreadPool { get; init; }

    /// <summary>What the owner keeps with the connection (the server's endpoint state).</summary>
    public object? Owner { get; init; }
}
