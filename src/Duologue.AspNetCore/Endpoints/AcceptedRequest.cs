using System.IO.Pipelines;
using Duologue.Carriers;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Duologue.AspNetCore;

/// <summary>A request that was answered with 101, or 200 on HTTP/2, and the ways on from there.</summary>
internal sealed class AcceptedRequest
{
    // At rest no buffer is held: the reader waits with a read of no bytes.
    private static readonly StreamPipeReaderOptions ReaderOptions = new(leaveOpen: true, useZeroByteReads: true);
    private static readonly StreamPipeWriterOptions WriterOptions = new(leaveOpen: true);

    // For a client to end its direction after ours has ended; the conversation itself is over by then.
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(2);
    private const int MaxSkipped = 64 * 1024;

    private readonly HttpContext _context;
    private readonly Stream _stream;
    private readonly bool _isHttp2;
    private readonly IDuplexPipe? _transport;

    public AcceptedRequest(HttpContext context, Stream stream, bool isHttp2, WebSocketConnection connection, HandlerChoice handler)
    {
        _context = context;
        _stream = stream;
        _isHttp2 = isHttp2;
        Connection = connection;
        Handler = handler;

        // Only HTTP/1.1 gives the whole transport to an upgraded request; on HTTP/2 it carries the frames of all streams.
        if (!isHttp2)
        {
            _transport = context.Features.Get<IConnectionTransportFeature>()?.Transport;
            Detach = DetachOf(context);
        }
    }

    public WebSocketConnection Connection { get; }

    public HandlerChoice Handler { get; }

    /// <summary>Where the transport can go on without the request; else null.</summary>
    public IConnectionDetachFeature? Detach { get; }

    /// <summary>Where the transport of a request over HTTP/1.1 can go on without it; else null.</summary>
    public static IConnectionDetachFeature? DetachOf(HttpContext context) =>
        context.Features.Get<ITlsHandshakeFeature>() is null ? context.Features.Get<IConnectionDetachFeature>() : null;

    /// <summary>Carries the conversation within the request, to its end. Never throws.</summary>
    public Task CarryAsync() => _transport is null ? CarryStreamAsync() : CarryTransportAsync(_transport);

    // The request's own stream adds nothing but a copy and a state machine per call to the pipe below it.
    private async Task CarryTransportAsync(IDuplexPipe transport)
    {
        IConnectionLifetimeFeature? lifetime = _context.Features.Get<IConnectionLifetimeFeature>();

        // Kestrel takes a client's FIN for the end of its interest, and aborts the connection as soon as it has seen one.
        var carrier = new PipeCarrier(transport.Input, transport.Output, Connection, lifetime is null ? null : lifetime.Abort)
        {
            HalfCloses = false,
            Gone = lifetime?.ConnectionClosed ?? default,
        };
        await carrier.RunAsync().ConfigureAwait(false);
        if (_context.Features.Get<ISslStreamFeature>() is { } tls)
        {
            // Kestrel ends TCP under the session without ending the session.
            await TlsEnd.SendAsync(tls.SslStream).ConfigureAwait(false);
        }
    }

    private async Task CarryStreamAsync()
    {
        PipeReader input = PipeReader.Create(_stream, ReaderOptions);
        PipeWriter output = PipeWriter.Create(_stream, WriterOptions);
        var abort = new RequestAbort(_context);
        var carrier = new PipeCarrier(input, output, Connection, abort.Abort) { WritesStream = true, Gone = _context.RequestAborted };
        await carrier.RunAsync().ConfigureAwait(false);
        if (_isHttp2)
        {
            await EndHttp2StreamAsync(input).ConfigureAwait(false);
        }

        abort.Disarm();
        await input.CompleteAsync().ConfigureAwait(false);
    }

    // RFC 8441 §5: what FIN is to TCP, END_STREAM is to a stream. A request that ended without the client's would be ended by a RST_STREAM.
    private async Task EndHttp2StreamAsync(PipeReader input)
    {
        using var patience = new CancellationTokenSource(EndPatience, Connection.Setup.Options.TimeProvider);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, _context.RequestAborted);
        try
        {
            await _context.Response.CompleteAsync().WaitAsync(stop.Token).ConfigureAwait(false);
            long skipped = 0;
            ReadResult result = default;
            while (!result.IsCompleted && skipped < MaxSkipped)
            {
                result = await input.ReadAsync(stop.Token).ConfigureAwait(false);
                skipped += result.Buffer.Length;
                input.AdvanceTo(result.Buffer.End);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or InvalidOperationException)
        {
            // The client has ended the stream by a reset, or does not end it: the request's end will.
        }
    }

    /// <summary>Aborts a request while it lasts: Kestrel gives the objects of a finished one to the next.</summary>
    private sealed class RequestAbort(HttpContext context)
    {
        private readonly Lock _lock = new();
        private HttpContext? _context = context;

        public void Abort()
        {
            lock (_lock)
            {
                _context?.Abort();
            }
        }

        public void Disarm()
        {
            lock (_lock)
            {
                _context = null;
            }
        }
    }
}
