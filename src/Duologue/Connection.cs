namespace Duologue;

/// <summary>
/// One open conversation between two equal peers: the same type on both ends, over every transport.
/// </summary>
/// <remarks>
/// Sending, pinging and closing are safe from any thread and need no lock. One receive may be pending at a time.
/// Cancelling a wait only stops the waiting: it breaks no connection and loses no message.
/// </remarks>
public abstract partial class Connection : IAsyncDisposable
{
    private protected Connection()
    {
    }

    /// <summary>Names the connection in logs and in the registry; unique within the process.</summary>
    public abstract string Id { get; }

    /// <summary>What carries the conversation.</summary>
    public abstract Transport Transport { get; }

    /// <summary>The agreed subprotocol, or null if none was.</summary>
    public abstract string? Subprotocol { get; }

    /// <summary>
    /// The agreed extensions as a header's value, such as <c>permessage-deflate; server_no_context_takeover</c>; "" if none were. By it is told
    /// which <see cref="Compression"/> came about.
    /// </summary>
    public abstract string Extensions { get; }

    /// <summary>What the server captured of the opening request; null on a client.</summary>
    public abstract RequestInfo? Request { get; }

    /// <summary>A place for the application's own data; made at first use. Not thread-safe.</summary>
    public abstract IDictionary<object, object?> Items { get; }

    /// <summary>Bytes accepted for sending that the carrier has not yet taken, frame headers included.</summary>
    public abstract long BufferedAmount { get; }

    /// <summary>The latest measured round trip, by keep-alive or <see cref="PingAsync(CancellationToken)"/>; null before the first.</summary>
    public abstract TimeSpan? Latency { get; }

    /// <summary>Completes, never faults, when the conversation has ended.</summary>
    public abstract Task<CloseInfo> Closed { get; }

    /// <summary>Cancelled when the conversation has ended.</summary>
    public abstract CancellationToken Aborted { get; }

    /// <summary>Queues a message without waiting. The bytes are copied before the call returns.</summary>
    /// <param name="data">The payload; for text, valid UTF-8.</param>
    /// <param name="type">Text or binary.</param>
    /// <returns>What became of it. A full queue acts by its policy; a closed connection answers <see cref="SendResult.Dropped"/>.</returns>
    /// <exception cref="ArgumentException"><paramref name="type"/> is text and <paramref name="data"/> is not UTF-8.</exception>
    public SendResult Send(ReadOnlySpan<byte> data, MessageType type) => Send(data, type, MessageFlags.None);

    /// <inheritdoc cref="Send(ReadOnlySpan{byte}, MessageType)"/>
    /// <param name="data">The payload; for text, valid UTF-8.</param>
    /// <param name="type">Text or binary.</param>
    /// <param name="flags">What is special about this message.</param>
    public abstract SendResult Send(ReadOnlySpan<byte> data, MessageType type, MessageFlags flags);

    /// <summary>Queues a text message without waiting. Lone surrogates are sent as U+FFFD.</summary>
    /// <param name="text">The text.</param>
    /// <returns>What became of it; see <see cref="Send(ReadOnlySpan{byte}, MessageType)"/>.</returns>
    public SendResult Send(string text) => Send(text, MessageFlags.None);

    /// <inheritdoc cref="Send(string)"/>
    /// <param name="text">The text.</param>
    /// <param name="flags">What is special about this message.</param>
    public abstract SendResult Send(string text, MessageFlags flags);

    /// <summary>
    /// Sends a message, waiting for room in the send queue whatever its policy. A message larger than the queue's
    /// limit leaves in fragments. When the task completes the carrier has the bytes and the caller's buffer is free.
    /// </summary>
    /// <param name="data">The payload; for text, valid UTF-8. Must not change until the task completes.</param>
    /// <param name="type">Text or binary.</param>
    /// <param name="cancellationToken">
    /// Stops the waiting. A message of which nothing has left is withdrawn; one that has begun is finished behind the scenes from a copy.
    /// </param>
    /// <exception cref="ConnectionClosedException">The connection closed before the carrier had the bytes.</exception>
    /// <exception cref="ArgumentException"><paramref name="type"/> is text and <paramref name="data"/> is not UTF-8.</exception>
    public ValueTask SendAsync(ReadOnlyMemory<byte> data, MessageType type, CancellationToken cancellationToken) =>
        SendAsync(data, type, MessageFlags.None, cancellationToken);

    /// <inheritdoc cref="SendAsync(ReadOnlyMemory{byte}, MessageType, CancellationToken)"/>
    /// <param name="data">The payload; for text, valid UTF-8. Must not change until the task completes.</param>
    /// <param name="type">Text or binary.</param>
    /// <param name="flags">What is special about this message.</param>
    /// <param name="cancellationToken">Stops the waiting; see the other overload.</param>
    public abstract ValueTask SendAsync(ReadOnlyMemory<byte> data, MessageType type, MessageFlags flags, CancellationToken cancellationToken);

    /// <inheritdoc cref="SendAsync(ReadOnlyMemory{byte}, MessageType, CancellationToken)"/>
    public ValueTask SendAsync(ReadOnlyMemory<byte> data, MessageType type) => SendAsync(data, type, CancellationToken.None);

    /// <summary>Sends a text message, waiting for room. Lone surrogates are sent as U+FFFD.</summary>
    /// <param name="text">The text.</param>
    /// <param name="cancellationToken">Stops the waiting; see the other overload.</param>
    /// <exception cref="ConnectionClosedException">The connection closed before the carrier had the bytes.</exception>
    public ValueTask SendAsync(string text, CancellationToken cancellationToken) => SendAsync(text, MessageFlags.None, cancellationToken);

    /// <inheritdoc cref="SendAsync(string, CancellationToken)"/>
    /// <param name="text">The text.</param>
    /// <param name="flags">What is special about this message.</param>
    /// <param name="cancellationToken">Stops the waiting; see the other overload.</param>
    public abstract ValueTask SendAsync(string text, MessageFlags flags, CancellationToken cancellationToken);

    /// <inheritdoc cref="SendAsync(string, CancellationToken)"/>
    public ValueTask SendAsync(string text) => SendAsync(text, CancellationToken.None);

    /// <summary>
    /// Opens a message to be written piecewise, for one larger than memory should hold. Pieces leave as fragments; disposing the
    /// stream ends the message. Other messages wait until then; control frames do not. A message whose write was cancelled cannot
    /// be finished: if some of it has left, disposing closes the connection with 1011, so that no part passes for the whole.
    /// </summary>
    /// <param name="type">Text or binary. Text must be valid UTF-8 as a whole; a character may span two writes.</param>
    /// <exception cref="NotSupportedException">The connection is a session over Engine.IO, whose packets are whole messages.</exception>
    public Stream OpenWrite(MessageType type) => OpenWrite(type, MessageFlags.None);

    /// <inheritdoc cref="OpenWrite(MessageType)"/>
    /// <param name="type">Text or binary. Text must be valid UTF-8 as a whole; a character may span two writes.</param>
    /// <param name="flags">What is special about this message.</param>
    public abstract Stream OpenWrite(MessageType type, MessageFlags flags);

    /// <summary>
    /// Waits for the next message and opens it for piecewise reading. The message limit does not apply to it.
    /// The stream must be read to its end or disposed, which skips the rest, before the next receive.
    /// </summary>
    /// <param name="cancellationToken">Stops the waiting; the message stays for the next receive.</param>
    /// <returns>The message's bytes as they arrive, as a <see cref="MessageStream"/>; null if the conversation ended cleanly.</returns>
    /// <exception cref="InvalidOperationException">A message handler receives for this connection, or another receive is pending.</exception>
    /// <exception cref="ConnectionClosedException">The connection ended otherwise than by a close handshake.</exception>
    public abstract ValueTask<MessageStream?> OpenReadAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Waits for the next whole message. Asking for it says that the last one is dealt with: the answer to a peer's Close
    /// waits for that, at most for half the close timeout.
    /// </summary>
    /// <param name="cancellationToken">Stops the waiting; the message stays for the next receive.</param>
    /// <returns>The message; its bytes are valid until the next receive.</returns>
    /// <exception cref="InvalidOperationException">A message handler receives for this connection, or another receive is pending.</exception>
    /// <exception cref="ConnectionClosedException">The conversation has ended and all its messages were received.</exception>
    public abstract ValueTask<Message> ReceiveAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="ReceiveAsync(CancellationToken)"/>
    public ValueTask<Message> ReceiveAsync() => ReceiveAsync(CancellationToken.None);

    /// <summary>All messages until the conversation ends. Ends without an exception on a clean close, with one otherwise.</summary>
    /// <param name="cancellationToken">Stops the waiting; no message is lost by it.</param>
    /// <exception cref="ConnectionClosedException">The connection ended otherwise than by a close handshake.</exception>
    public abstract IAsyncEnumerable<Message> ReadAllAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="ReadAllAsync(CancellationToken)"/>
    public IAsyncEnumerable<Message> ReadAllAsync() => ReadAllAsync(CancellationToken.None);

    /// <summary>Pings the peer and waits for its pong. May be awaited inside a handler.</summary>
    /// <param name="cancellationToken">Stops the waiting.</param>
    /// <returns>The round trip.</returns>
    /// <exception cref="ConnectionClosedException">The connection closed first.</exception>
    /// <exception cref="NotSupportedException">The connection is a client's session over Engine.IO, where the server pings.</exception>
    public abstract ValueTask<TimeSpan> PingAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="PingAsync(CancellationToken)"/>
    public ValueTask<TimeSpan> PingAsync() => PingAsync(CancellationToken.None);

    /// <summary>
    /// Sends what is queued, then a Close frame, and waits for the peer's, at most for the close timeout. Never hangs
    /// and never throws for what the peer does. While a message handler of this connection runs it does not wait for the peer,
    /// which could be waiting for that handler: await <see cref="Closed"/> for the end.
    /// </summary>
    /// <param name="code">1000 to 1003, 1007 to 1014 (1010 from clients only) or 3000 to 4999.</param>
    /// <param name="reason">At most 123 UTF-8 bytes.</param>
    /// <returns>How the conversation ended; while a handler runs, how it stands.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The code may not be sent (RFC 6455 §7.4).</exception>
    /// <exception cref="ArgumentException">The reason is too long.</exception>
    public abstract ValueTask<CloseInfo> CloseAsync(ushort code, string reason);

    /// <summary>Closes with code 1000 and no reason; see <see cref="CloseAsync(ushort, string)"/>.</summary>
    public ValueTask<CloseInfo> CloseAsync() => CloseAsync(1000, "");

    /// <summary>
    /// The connection in the shape of <see cref="System.Net.WebSockets.WebSocket"/>, for code that wants one. Use one of the two from then on.
    /// What differs: cancelling a wait breaks nothing and loses nothing; a message is received whole, up to
    /// <see cref="ConnectionOptions.MaxMessageSize"/>, before its first piece is given; the connection answers the peer's Close by itself.
    /// Source: docs/system-net-websockets.md.
    /// </summary>
    public abstract System.Net.WebSockets.WebSocket AsSystemWebSocket();

    /// <summary>Ends the connection at once, without a close handshake.</summary>
    public abstract void Abort();

    /// <summary>Closes with code 1000, if still open, and releases the connection.</summary>
    public abstract ValueTask DisposeAsync();
}
