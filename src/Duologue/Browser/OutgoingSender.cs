using Duologue.Protocol;

namespace Duologue.Browser;

/// <summary>
/// Sends one message after the other over the engine: a small one as one frame, a larger one in fragments, so that a
/// file of any size passes through one small buffer.
/// </summary>
/// <param name="connection">The engine.</param>
/// <param name="handingOver">
/// Told of the bytes that are about to be handed to the network. Before, not after: the peer's answer to them must not be
/// delivered while they still count as buffered. The engine takes one piece at a time, so that what is counted
/// too early is at most one piece.
/// </param>
internal sealed class OutgoingSender(WebSocketConnection connection, Action<long> handingOver)
{
    /// <summary>The largest frame to send, and what is held of a file.</summary>
    private const int PieceSize = 64 * 1024;

    // Peers bound the fragments of a message, Duologue's at 4,096 by default; a gigabyte must pass.
    private const int MaxPieces = 4096;
    private const int MaxPieceSize = 1024 * 1024;

    /// <exception cref="ConnectionClosedException">The connection closed first.</exception>
    /// <exception cref="DomException">
    /// NotReadableError: the blob's file has changed or cannot be read. A part of it may have left: the caller must end the connection.
    /// </exception>
    public async ValueTask SendAsync(OutgoingMessage message)
    {
        if (message.Bytes is not ReadOnlyMemory<byte> bytes)
        {
            await SendInTurnAsync(message.Type, message.Blob!.Size, SendBlobAsync, message.Blob).ConfigureAwait(false);
        }
        else if (bytes.Length <= PieceSize)
        {
            handingOver(bytes.Length);
            await connection.SendAsync(bytes, message.Type, CancellationToken.None).ConfigureAwait(false);
        }
        else
        {
            await SendInTurnAsync(message.Type, bytes.Length, SendBytesAsync, bytes).ConfigureAwait(false);
        }
    }

    /// <summary>Begins the closing handshake. Returns at once.</summary>
    /// <param name="code">A code that may be sent, or 1005 for a Close frame without one.</param>
    /// <param name="reason">At most 123 UTF-8 bytes.</param>
    public void Close(ushort code, string reason) => connection.BeginClose(code, reason, CloseCause.LocalClose);

    /// <summary>Holds the connection's turn for the fragments of one message.</summary>
    private async ValueTask SendInTurnAsync<T>(MessageType type, long size, Func<T, Fragments, Task> send, T content)
    {
        await connection.EnterTurnAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            await send(content, new Fragments(connection, handingOver, type, size)).ConfigureAwait(false);
            connection.OnPiecewiseSent(size);
        }
        finally
        {
            connection.LeaveTurn();
        }
    }

    private static async Task SendBytesAsync(ReadOnlyMemory<byte> bytes, Fragments output)
    {
        while (!output.IsComplete)
        {
            await output.SendAsync(bytes[..output.NextSize]).ConfigureAwait(false);
            bytes = bytes[output.LastSize..];
        }
    }

    private static async Task SendBlobAsync(Blob blob, Fragments output)
    {
        // Not of the shared pool, which would keep one per thread that it was returned on.
        byte[] buffer = GC.AllocateUninitializedArray<byte>(output.NextSize);
        Stream input = blob.OpenRead();
        await using (input.ConfigureAwait(false))
        {
            while (!output.IsComplete)
            {
                Memory<byte> piece = buffer.AsMemory(0, output.NextSize);
                await input.ReadExactlyAsync(piece).ConfigureAwait(false);
                await output.SendAsync(piece).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The fragments of one message whose size is known (RFC 6455 §5.4).</summary>
    private sealed class Fragments(WebSocketConnection connection, Action<long> handingOver, MessageType type, long size)
    {
        private readonly int _pieceSize = (int)Math.Clamp(((size - 1) / MaxPieces) + 1, PieceSize, MaxPieceSize);
        private readonly bool _compressed = connection.Compresses(size, MessageFlags.None);
        private Opcode _opcode = type.ToOpcode();
        private long _rest = size;

        /// <summary>Whether the final fragment has been sent; an empty message has one too.</summary>
        public bool IsComplete { get; private set; }

        public int NextSize => (int)Math.Min(_pieceSize, _rest);

        public int LastSize { get; private set; }

        /// <summary>Sends the next fragment, of <see cref="NextSize"/> bytes, and waits until the carrier has it.</summary>
        public async Task SendAsync(ReadOnlyMemory<byte> piece)
        {
            LastSize = piece.Length;
            _rest -= piece.Length;
            IsComplete = _rest == 0;
            handingOver(piece.Length);
            long mark = await connection.WriteFragmentAsync(_opcode, IsComplete, _compressed, piece, CancellationToken.None).ConfigureAwait(false);
            _opcode = Opcode.Continuation;
            await connection.WaitUntilTakenAsync(mark, CancellationToken.None).ConfigureAwait(false);
        }
    }
}
