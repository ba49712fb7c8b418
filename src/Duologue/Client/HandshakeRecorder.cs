using System.Runtime.InteropServices;
using System.Text;

namespace Duologue.Client;

/// <summary>Collects the exchanges of one opening handshake for <see cref="ConnectOptions.OnHandshake"/>. Thread-safe.</summary>
internal sealed class HandshakeRecorder(int maxHeadSize)
{
    private readonly int _maxHeadSize = maxHeadSize;
    private readonly Lock _lock = new();
    private readonly List<Exchange> _exchanges = [];

    /// <summary>Puts a recording stream over one connection.</summary>
    public Stream Wrap(Stream stream) => new RecordingStream(stream, new Recording(this));

    /// <summary>Adds an exchange whose heads are no text on the wire.</summary>
    public void Add(HandshakeTrace trace)
    {
        lock (_lock)
        {
            var exchange = new Exchange();
            exchange.Request.Append(Encoding.Latin1.GetBytes(trace.Request), _maxHeadSize);
            exchange.Response.Append(Encoding.Latin1.GetBytes(trace.Response), _maxHeadSize);
            _exchanges.Add(exchange);
        }
    }

    /// <summary>What has been recorded so far.</summary>
    public IReadOnlyList<HandshakeTrace> Collect()
    {
        lock (_lock)
        {
            return [.. _exchanges.Select(exchange => new HandshakeTrace(exchange.Request.ToString(), exchange.Response.ToString()))];
        }
    }

    private sealed class Exchange
    {
        public Head Request { get; } = new();

        public Head Response { get; } = new();
    }

    /// <summary>Bytes up to and including the first empty line.</summary>
    private sealed class Head
    {
        private static readonly byte[] End = "\r\n\r\n"u8.ToArray();
        private readonly List<byte> _bytes = [];
        private int _start;

        public bool IsComplete { get; private set; }

        /// <summary>The bytes of the latest head.</summary>
        public ReadOnlySpan<byte> Latest => CollectionsMarshal.AsSpan(_bytes)[_start..];

        /// <summary>Adds bytes until the head is complete or the limit is reached; answers how many it took.</summary>
        public int Append(ReadOnlySpan<byte> bytes, int limit)
        {
            int taken = 0;
            while (taken < bytes.Length && !IsComplete && _bytes.Count < limit)
            {
                _bytes.Add(bytes[taken++]);
                IsComplete = Latest.EndsWith(End);
            }

            return taken;
        }

        /// <summary>Another head follows: the one that came was an interim answer.</summary>
        public void Continue()
        {
            _start = _bytes.Count;
            IsComplete = false;
        }

        public override string ToString() => Encoding.Latin1.GetString([.. _bytes]);
    }

    /// <summary>Tells the heads of one connection from what follows them.</summary>
    private sealed class Recording(HandshakeRecorder recorder)
    {
        private Exchange? _current;
        private bool _ended;

        public void Written(ReadOnlySpan<byte> bytes)
        {
            lock (recorder._lock)
            {
                // A request without a body comes in one go; what is written after an answer is the next request.
                if (_ended)
                {
                    return;
                }

                if (_current is null || _current.Response.IsComplete)
                {
                    _current = new Exchange();
                    recorder._exchanges.Add(_current);
                }

                _current.Request.Append(bytes, recorder._maxHeadSize);
            }
        }

        public void Read(ReadOnlySpan<byte> bytes)
        {
            lock (recorder._lock)
            {
                if (_ended || _current is null)
                {
                    return;
                }

                Head response = _current.Response;
                while (!response.IsComplete && !bytes.IsEmpty)
                {
                    int taken = response.Append(bytes, recorder._maxHeadSize);
                    if (taken == 0)
                    {
                        _ended = true;
                        return;
                    }

                    bytes = bytes[taken..];
                    if (response.IsComplete)
                    {
                        Judge(_current);
                    }
                }
            }
        }

        private void Judge(Exchange exchange)
        {
            // "HTTP/1.1 101 …": the status is at a fixed place in all that the HTTP client accepts.
            ReadOnlySpan<byte> status = exchange.Response.Latest is { Length: > 12 } head ? head[9..12] : default;
            if (status.SequenceEqual("101"u8) || (status.StartsWith("2"u8) && exchange.Request.Latest.StartsWith("CONNECT "u8)))
            {
                // From here on the bytes are the conversation, or the tunnel.
                _ended = true;
            }
            else if (status.StartsWith("1"u8))
            {
                exchange.Response.Continue();
            }
        }
    }

    /// <summary>Passes all through, and shows it to the recording.</summary>
    private sealed class RecordingStream(Stream inner, Recording recording) : Stream
    {
        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(Span<byte> buffer)
        {
            int count = inner.Read(buffer);
            recording.Read(buffer[..count]);
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int count = await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            recording.Read(buffer.Span[..count]);
            return count;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            recording.Written(buffer);
            inner.Write(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            recording.Written(buffer.Span);
            return inner.WriteAsync(buffer, cancellationToken);
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush() => inner.Flush();

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override async ValueTask DisposeAsync()
        {
            await inner.DisposeAsync().ConfigureAwait(false);
            await base.DisposeAsync().ConfigureAwait(false);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
