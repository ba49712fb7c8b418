using System.Net.WebSockets;

namespace Duologue.Interop.Tests.Differential;

/// <summary>System.Net.WebSockets on a stream, read in the way its documentation shows.</summary>
internal static class SystemReceiver
{
    public static async Task<Outcome> PlayAsync(StreamCase given, CancellationToken cancellationToken)
    {
        using var wire = new ChunkStream(given.Chunks);
        using WebSocket socket = WebSocket.CreateFromStream(wire, new WebSocketCreationOptions
        {
            IsServer = given.ToServer,
            KeepAliveInterval = TimeSpan.Zero,
            DangerousDeflateOptions = given.Compression is not { } takeover ? null : new WebSocketDeflateOptions
            {
                ClientContextTakeover = takeover == Takeover.On,
                ServerContextTakeover = takeover == Takeover.On,
            },
        });
        var messages = new List<string>();
        byte[] buffer = new byte[128 * 1024]; // larger than any frame of a case
        var message = new MemoryStream();
        try
        {
            while (true)
            {
                ValueWebSocketReceiveResult result = await socket.ReceiveAsync(buffer.AsMemory(), cancellationToken);
                if (result.MessageType == WebSocketMessageType.Close)
                {
                    await socket.CloseOutputAsync(socket.CloseStatus ?? WebSocketCloseStatus.Empty, socket.CloseStatusDescription, cancellationToken);
                    break;
                }

                message.Write(buffer, 0, result.Count);
                if (result.EndOfMessage)
                {
                    messages.Add(Outcome.Describe(result.MessageType == WebSocketMessageType.Binary, message.ToArray()));
                    message.SetLength(0);
                }
            }
        }
        catch (WebSocketException)
        {
            // How it reports a violation and the end of the stream; by then it has sent what it sends.
        }
        catch (ArgumentException)
        {
            // It hands out codes that it refuses to send: no Close is written then.
        }

        return Outcome.Of(messages, wire.Written, given.ToServer, ended: true);
    }

    /// <summary>What is read comes chunk by chunk, what is written is kept.</summary>
    private sealed class ChunkStream(IReadOnlyList<byte[]> chunks) : Stream
    {
        private readonly MemoryStream _written = new();
        private int _next;
        private ReadOnlyMemory<byte> _rest;

        public byte[] Written => _written.ToArray();

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            while (_rest.IsEmpty)
            {
                if (_next == chunks.Count)
                {
                    return 0;
                }

                _rest = chunks[_next++];
            }

            int count = Math.Min(buffer.Length, _rest.Length);
            _rest.Span[..count].CopyTo(buffer);
            _rest = _rest[count..];
            return count;
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(buffer.IsEmpty ? 0 : Read(buffer.Span));

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            Task.FromResult(Read(buffer.AsSpan(offset, count)));

        public override void Write(byte[] buffer, int offset, int count) => _written.Write(buffer, offset, count);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => _written.WriteAsync(buffer, cancellationToken);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            _written.WriteAsync(buffer, offset, count, cancellationToken);

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
