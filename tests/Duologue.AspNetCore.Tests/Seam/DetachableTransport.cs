using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Duologue.AspNetCore.Tests.Seam;

/// <summary>A Kestrel transport whose connections can be detached: after the 101 the socket moves to a <see cref="SocketLoop"/>.</summary>
internal sealed class DetachableTransport(SocketLoop loop) : IConnectionListenerFactory
{
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(endpoint);
        socket.Listen();
        return new ValueTask<IConnectionListener>(new Listener(socket, loop));
    }

    private sealed class Listener(Socket socket, SocketLoop loop) : IConnectionListener
    {
        public EndPoint EndPoint => socket.LocalEndPoint!;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            try
            {
                Socket accepted = await socket.AcceptAsync(cancellationToken);
                accepted.NoDelay = true;
                return new DetachableConnection(accepted, loop);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                return null;
            }
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            socket.Dispose();
            return default;
        }

        public ValueTask DisposeAsync() => UnbindAsync();
    }
}

internal sealed class DetachableConnection : ConnectionContext, IConnectionDetachFeature, IDuplexPipe
{
    private readonly Socket _socket;
    private readonly SocketLoop _loop;

    // Never full: what was received is committed without waiting, or a detach in between would lose it.
    private readonly Pipe _input = new(new PipeOptions(pauseWriterThreshold: 0));
    private readonly Pipe _output = new();
    private readonly CancellationTokenSource _receiving = new();
    private readonly CancellationTokenSource _closed = new();
    private readonly Task _receive;
    private readonly Task _send;
    private WebSocketConnection? _detached;
    private KeptReader? _reader;

    public DetachableConnection(Socket socket, SocketLoop loop)
    {
        _socket = socket;
        _loop = loop;
        Transport = this;
        LocalEndPoint = socket.LocalEndPoint;
        RemoteEndPoint = socket.RemoteEndPoint;
        ConnectionClosed = _closed.Token;
        Features.Set<IConnectionDetachFeature>(this);
        Features.Set<IConnectionTransportFeature>(new TransportFeature(this));
        _receive = ReceiveAsync();
        _send = SendAsync();
    }

    public PipeReader Input => _reader ??= new KeptReader(_input.Reader);

    public PipeWriter Output => _output.Writer;

    public override IDuplexPipe Transport { get; set; }

    public override string ConnectionId { get; set; } = Guid.NewGuid().ToString("n");

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>();

    // It ends nothing by itself: the peer's end is the end of the pipe, which Kestrel does not read while it upgrades.
    public void Expect()
    {
    }

    public void GiveUp()
    {
    }

    public bool TryDetach(WebSocketConnection connection)
    {
        _detached = connection;
        return true;
    }

    public override void Abort(ConnectionAbortedException abortReason)
    {
        if (_detached is null)
        {
            _socket.Dispose();
        }
    }

    /// <summary>Kestrel is done: end the connection, or let it go on without Kestrel.</summary>
    public override async ValueTask DisposeAsync()
    {
        await _receiving.CancelAsync();
        _input.Writer.CancelPendingFlush();
        await _receive;
        await _output.Writer.CompleteAsync();
        await _send;
        if (_detached is { } connection)
        {
            // What was read behind the upgrade request belongs to the conversation.
            byte[] before = _input.Reader.TryRead(out ReadResult rest) ? rest.Buffer.ToArray() : [];
            _socket.Blocking = false;
            _loop.Carry(_socket, connection, before);
        }
        else
        {
            _socket.Dispose();
        }

        await _closed.CancelAsync();
        _receiving.Dispose();
        _closed.Dispose();
        await base.DisposeAsync();
    }

    private async Task ReceiveAsync()
    {
        try
        {
            while (true)
            {
                int count = await _socket.ReceiveAsync(_input.Writer.GetMemory(4096), _receiving.Token);
                if (count == 0)
                {
                    break;
                }

                _input.Writer.Advance(count);

                // Without the token: a flush that is cancelled before it begins commits nothing, and what was received is lost.
                FlushResult flushed = await _input.Writer.FlushAsync();
                if (flushed.IsCompleted || _receiving.IsCancellationRequested)
                {
                    return;
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            if (e is OperationCanceledException)
            {
                return;
            }
        }

        await _input.Writer.CompleteAsync();
    }

    private async Task SendAsync()
    {
        try
        {
            while (true)
            {
                ReadResult result = await _output.Reader.ReadAsync();
                foreach (ReadOnlyMemory<byte> segment in result.Buffer)
                {
                    await _socket.SendAsync(segment);
                }

                _output.Reader.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    return;
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            await _output.Reader.CompleteAsync(e);
        }
    }

    private sealed record TransportFeature(IDuplexPipe Pipe) : IConnectionTransportFeature
    {
        public IDuplexPipe Transport
        {
            get => Pipe;
            set => throw new NotSupportedException();
        }
    }

    /// <summary>Kestrel completes its reader at the request's end; the bytes behind the request must outlive that.</summary>
    private sealed class KeptReader(PipeReader inner) : PipeReader
    {
        public override void AdvanceTo(SequencePosition consumed) => inner.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);

        public override void CancelPendingRead() => inner.CancelPendingRead();

        public override void Complete(Exception? exception = null)
        {
        }

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => inner.ReadAsync(cancellationToken);

        public override bool TryRead(out ReadResult result) => inner.TryRead(out result);
    }
}
