using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Carriers;

/// <summary>A TCP connection, clear or under TLS.</summary>
internal sealed class TcpWire : Wire
{
    private readonly Socket _socket;
    private readonly EndWatch _watch;
    private readonly SslStream? _tls;
    private readonly Stream _stream;

    private TcpWire(Socket socket, EndWatch watch, SslStream? tls)
    {
        _socket = socket;
        _watch = watch;
        _tls = tls;
        _stream = tls ?? (Stream)watch;
    }

    public override bool CanEnd => true;

    public override bool IsStream => false;

    /// <summary>The stream, for the opening handshake.</summary>
    public Stream Stream => _stream;

    /// <summary>Connects, and opens the WebSocket if told how.</summary>
    /// <param name="port">The port on 127.0.0.1.</param>
    /// <param name="tls">How to speak TLS; null for clear text.</param>
    /// <param name="open">Does the opening handshake and gives the extensions that were settled on; null to leave it to the caller.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<TcpWire> ConnectAsync(int port, SslClientAuthenticationOptions? tls, Func<Stream, Task<string?>>? open, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync("127.0.0.1", port, cancellationToken);
            return await OverAsync(socket, tls is null ? null : ssl => ssl.AuthenticateAsClientAsync(tls, cancellationToken), open);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public static Task<TcpWire> AcceptedAsync(Socket socket, SslServerAuthenticationOptions? tls, Func<Stream, Task<string?>>? open, CancellationToken cancellationToken) =>
        OverAsync(socket, tls is null ? null : ssl => ssl.AuthenticateAsServerAsync(tls, cancellationToken), open);

    private static async Task<TcpWire> OverAsync(Socket socket, Func<SslStream, Task>? authenticate, Func<Stream, Task<string?>>? open)
    {
        socket.NoDelay = true;
        var watch = new EndWatch(new NetworkStream(socket, ownsSocket: true));
        SslStream? tls = null;
        if (authenticate is not null)
        {
            tls = new SslStream(watch, leaveInnerStreamOpen: false);
            await authenticate(tls);
        }

        string? extensions = open is null ? null : await open(tls ?? (Stream)watch);
        return new TcpWire(socket, watch, tls) { Extensions = extensions };
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            await _stream.WriteAsync(bytes, cancellationToken);
        }
        catch (InvalidOperationException e)
        {
            // What TLS says when the session is over.
            throw new IOException(e.Message, e);
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            int count = await _stream.ReadAsync(buffer, cancellationToken);
            if (count == 0)
            {
                Ending = _tls is null ? new Ending(EndKind.Clean, "FIN") : await TlsEndingAsync(cancellationToken);
            }

            return count;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            Ending = new Ending(EndKind.Reset, e.InnerException is SocketException { SocketErrorCode: var code } ? string.Create(CultureInfo.InvariantCulture, $"{code}") : e.Message);
            return 0;
        }
    }

    // RFC 8446 §6.1: close_notify comes first, then TCP ends; an end without it may be an attacker's.
    private async Task<Ending> TlsEndingAsync(CancellationToken cancellationToken)
    {
        if (_watch.Ended)
        {
            return new Ending(EndKind.WithoutNotify, "FIN without close_notify");
        }

        byte[] rest = new byte[256];
        int count = await _watch.ReadAsync(rest, cancellationToken);
        return count == 0 ? new Ending(EndKind.Clean, "close_notify, FIN") : new Ending(EndKind.Reset, "bytes after close_notify");
    }

    public override async ValueTask EndAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (_tls is not null)
            {
                await _tls.ShutdownAsync();
            }

            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            throw new IOException(e.Message, e);
        }
    }

    public override ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Passes all through and remembers whether the end was seen.</summary>
    private sealed class EndWatch(NetworkStream inner) : Stream
    {
        public bool Ended { get; private set; }

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int count = await inner.ReadAsync(buffer, cancellationToken);
            Ended |= count == 0 && buffer.Length > 0;
            return count;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => inner.WriteAsync(buffer, cancellationToken);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            inner.WriteAsync(buffer, offset, count, cancellationToken);

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

        public override void Flush() => inner.Flush();

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

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
