using System.Net.WebSockets;
using System.Text;
using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue.Adapters;

/// <summary>
/// A connection in the shape of <see cref="WebSocket"/>. What differs is in docs/system-net-websockets.md: cancelling a wait breaks nothing,
/// messages have a limit, and the peer's Close is answered by the connection.
/// </summary>
internal sealed class SystemWebSocket(WebSocketConnection connection) : WebSocket
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _sending = new(1, 1);

    // Guarded by _lock. It changes with what is called, so that nothing that came before a Close is missed.
    private WebSocketState _state = WebSocketState.Open;
    private bool _disposed;
    private bool _receiving;

    // The receiver's: what is left of the message that it has begun.
    private WebSocketMessageType _messageType;
    private ReadOnlyMemory<byte> _rest;
    private bool _hasMessage;

    // The sender's, within _sending: the message that was begun without its end.
    private MessageWriteStream? _begun;

    /// <inheritdoc/>
    public override WebSocketState State
    {
        get
        {
            lock (_lock)
            {
                return _state;
            }
        }
    }

    /// <inheritdoc/>
    public override WebSocketCloseStatus? CloseStatus => Seen is { } close ? (WebSocketCloseStatus)close.Code : null;

    /// <inheritdoc/>
    public override string? CloseStatusDescription => Seen?.Reason;

    /// <inheritdoc/>
    public override string? SubProtocol => connection.Subprotocol;

    // The peer's Close, once it was its turn.
    private (ushort Code, string Reason)? Seen => State is WebSocketState.CloseReceived or WebSocketState.Closed ? connection.ReceivedClose : null;

    /// <inheritdoc/>
    public override void Abort()
    {
        lock (_lock)
        {
            if (_state is not (WebSocketState.Closed or WebSocketState.Aborted))
            {
                _state = WebSocketState.Aborted;
            }
        }

        connection.Abort();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        bool abort;
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;

            // Where a Close is on its way the connection ends by itself, within the close timeout; where it has ended, this does nothing.
            abort = _state is WebSocketState.Open or WebSocketState.Aborted;
            if (_state != WebSocketState.Aborted)
            {
                _state = WebSocketState.Closed;
            }
        }

        if (abort)
        {
            connection.Abort();
        }
    }

    /// <inheritdoc/>
    public override async Task<WebSocketReceiveResult> ReceiveAsync(ArraySegment<byte> buffer, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(buffer.Array, nameof(buffer));
        ValueWebSocketReceiveResult result = await ReceiveAsync(buffer.AsMemory(), cancellationToken).ConfigureAwait(false);
        return result.MessageType == WebSocketMessageType.Close
            ? new WebSocketReceiveResult(0, result.MessageType, true, CloseStatus, CloseStatusDescription)
            : new WebSocketReceiveResult(result.Count, result.MessageType, result.EndOfMessage);
    }

    /// <inheritdoc/>
    public override async ValueTask<ValueWebSocketReceiveResult> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BeginReceive();
        bool waits = false;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!_hasMessage)
            {
                ValueTask<Message> receiving = connection.ReceiveAsync(cancellationToken);
                waits = !receiving.IsCompleted;
                Message message = await receiving.ConfigureAwait(false);
                if (waits)
                {
                    // Off the carrier's thread: code of this shape may block, as a stream over it does in Dispose, and what it waits for is for that thread to read.
                    await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                }

                _messageType = message.Type == MessageType.Text ? WebSocketMessageType.Text : WebSocketMessageType.Binary;
                _rest = message.Data;
                _hasMessage = true;
            }

            int count = Math.Min(_rest.Length, buffer.Length);
            _rest[..count].CopyTo(buffer);
            _rest = _rest[count..];
            _hasMessage = !_rest.IsEmpty;
            return new ValueWebSocketReceiveResult(count, _messageType, !_hasMessage);
        }
        catch (ConnectionClosedException e)
        {
            if (waits)
            {
                // So does the end: it may be another connection's of the same thread that is waited for.
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            }

            return OnClosed(e);
        }
        finally
        {
            lock (_lock)
            {
                _receiving = false;
            }
        }
    }

    /// <inheritdoc/>
    public override Task SendAsync(ArraySegment<byte> buffer, WebSocketMessageType messageType, bool endOfMessage, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(buffer.Array, nameof(buffer));
        return SendAsync(buffer.AsMemory(), messageType, endOfMessage, cancellationToken).AsTask();
    }

    /// <inheritdoc/>
    public override ValueTask SendAsync(ReadOnlyMemory<byte> buffer, WebSocketMessageType messageType, bool endOfMessage, CancellationToken cancellationToken) =>
        SendAsync(buffer, messageType, endOfMessage ? WebSocketMessageFlags.EndOfMessage : WebSocketMessageFlags.None, cancellationToken);

    /// <inheritdoc/>
    public override async ValueTask SendAsync(ReadOnlyMemory<byte> buffer, WebSocketMessageType messageType, WebSocketMessageFlags messageFlags, CancellationToken cancellationToken)
    {
        if (messageType is not (WebSocketMessageType.Text or WebSocketMessageType.Binary))
        {
            throw new ArgumentException($"The message type is {messageType}; send Text or Binary, and close with CloseAsync or CloseOutputAsync.", nameof(messageType));
        }

        ThrowUnless("send", WebSocketState.Open);
        await _sending.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            MessageType type = messageType == WebSocketMessageType.Text ? MessageType.Text : MessageType.Binary;
            MessageFlags flags = messageFlags.HasFlag(WebSocketMessageFlags.DisableCompression) ? MessageFlags.DisableCompression : MessageFlags.None;
            bool ends = messageFlags.HasFlag(WebSocketMessageFlags.EndOfMessage);
            if (ends && _begun is null)
            {
                await connection.SendAsync(buffer, type, flags, cancellationToken).ConfigureAwait(false);
                return;
            }

            await SendPieceAsync(buffer, type, flags, ends, cancellationToken).ConfigureAwait(false);
        }
        catch (ConnectionClosedException e)
        {
            throw Failed(e);
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <inheritdoc/>
    public override async Task CloseAsync(WebSocketCloseStatus closeStatus, string? statusDescription, CancellationToken cancellationToken)
    {
        BeginClose(closeStatus, statusDescription, "close", WebSocketState.Open, WebSocketState.CloseSent, WebSocketState.CloseReceived);
        if (State == WebSocketState.Closed)
        {
            return;
        }

        CloseInfo info = await connection.Closed.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (connection.ReceivedClose is null)
        {
            throw Failed(connection.ClosedException());
        }

        Enter(info.Violation is null ? WebSocketState.Closed : WebSocketState.Aborted);
    }

    /// <inheritdoc/>
    public override async Task CloseOutputAsync(WebSocketCloseStatus closeStatus, string? statusDescription, CancellationToken cancellationToken)
    {
        BeginClose(closeStatus, statusDescription, "close the output", WebSocketState.Open, WebSocketState.CloseReceived);
        await connection.WaitForFlushAsync(connection.Setup.Options.CloseTimeout).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task SendPieceAsync(ReadOnlyMemory<byte> piece, MessageType type, MessageFlags flags, bool ends, CancellationToken cancellationToken)
    {
        MessageWriteStream message = _begun ??= (MessageWriteStream)connection.OpenWrite(type, flags);
        bool whole = false;
        try
        {
            await message.WriteAsync(piece, cancellationToken).ConfigureAwait(false);
            if (!ends)
            {
                await message.FlushAsync(cancellationToken).ConfigureAwait(false);
            }

            whole = true;
        }
        finally
        {
            // A message that was cut cannot be finished: disposing it says so to the peer, by a Close.
            if (ends || !whole)
            {
                _begun = null;
                if (!whole)
                {
                    message.Cut();
                    connection.BeginClose(CloseFrame.InternalError, "A message could not be finished.", CloseCause.LocalClose);
                }

                await message.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private void BeginReceive()
    {
        lock (_lock)
        {
            ThrowUnlessLocked("receive", WebSocketState.Open, WebSocketState.CloseSent);
            if (_receiving)
            {
                throw new InvalidOperationException("Another receive is pending on this WebSocket. Await it first.");
            }

            _receiving = true;
        }
    }

    /// <summary>Sends a Close, unless both have had theirs: the connection has answered the peer's then.</summary>
    private void BeginClose(WebSocketCloseStatus status, string? description, string operation, params WebSocketState[] valid)
    {
        ushort code = Validate(status, description);
        lock (_lock)
        {
            ThrowUnlessLocked(operation, valid);
            _state = _state == WebSocketState.CloseReceived ? WebSocketState.Closed : WebSocketState.CloseSent;
            if (_state == WebSocketState.Closed)
            {
                return;
            }
        }

        connection.BeginClose(code, description ?? "", CloseCause.LocalClose);
    }

    private ushort Validate(WebSocketCloseStatus status, string? description)
    {
        ushort code = (ushort)status;
        if ((int)status != code || (status != WebSocketCloseStatus.Empty && !CloseFrame.MayBeSent(code, connection.Setup.Role)))
        {
            throw new ArgumentException($"The close status {(int)status} may not be sent; use 1000 to 1003, 1007 to 1014 (1010 from clients only), 3000 to 4999, or Empty.", nameof(status));
        }

        if (status == WebSocketCloseStatus.Empty && !string.IsNullOrEmpty(description))
        {
            throw new ArgumentException("The close status Empty has no description.", nameof(description));
        }

        if (description is not null && Encoding.UTF8.GetByteCount(description) > CloseFrame.MaxReasonSize)
        {
            throw new ArgumentException($"The description exceeds {CloseFrame.MaxReasonSize} UTF-8 bytes.", nameof(description));
        }

        return code;
    }

    /// <summary>Nothing more will come: because the peer closed, or otherwise.</summary>
    private ValueWebSocketReceiveResult OnClosed(ConnectionClosedException e)
    {
        if (connection.ReceivedClose is null || e is ProtocolViolationException)
        {
            throw Failed(e);
        }

        lock (_lock)
        {
            if (_state != WebSocketState.Aborted)
            {
                _state = _state == WebSocketState.Open ? WebSocketState.CloseReceived : WebSocketState.Closed;
                return new ValueWebSocketReceiveResult(0, WebSocketMessageType.Close, true);
            }
        }

        throw Failed(e);
    }

    /// <summary>What users of this shape expect where a connection has ended.</summary>
    private Exception Failed(ConnectionClosedException e)
    {
        lock (_lock)
        {
            if (_state is WebSocketState.Aborted or WebSocketState.Closed)
            {
                // Abort or Dispose of our own, while the operation went on.
                return new OperationCanceledException("The WebSocket was aborted.", e);
            }

            if (connection.ReceivedClose is null || e is ProtocolViolationException)
            {
                _state = WebSocketState.Aborted;
                return new WebSocketException(e is ProtocolViolationException ? WebSocketError.Faulted : WebSocketError.ConnectionClosedPrematurely, e.Message, e);
            }
        }

        // The peer has closed, and its Close waits to be received.
        return new WebSocketException(WebSocketError.InvalidState, e.Message, e);
    }

    private void Enter(WebSocketState state)
    {
        lock (_lock)
        {
            // What was aborted meanwhile stays so.
            if (_state != WebSocketState.Aborted)
            {
                _state = state;
            }
        }
    }

    private void ThrowUnless(string operation, params WebSocketState[] valid)
    {
        lock (_lock)
        {
            ThrowUnlessLocked(operation, valid);
        }
    }

    private void ThrowUnlessLocked(string operation, params WebSocketState[] valid)
    {
        ObjectDisposedException.ThrowIf(_disposed, typeof(WebSocket));
        if (!valid.Contains(_state))
        {
            throw new WebSocketException(WebSocketError.InvalidState, $"The WebSocket is {_state}; to {operation} it must be {string.Join(" or ", valid)}.");
        }
    }
}
