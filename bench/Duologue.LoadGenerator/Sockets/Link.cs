using System.Net.Security;

namespace Duologue.LoadGenerator;

/// <summary>What a load does with its connections.</summary>
internal interface ILinkHandler
{
    /// <summary>Whether it will look at the next bytes, or only count them.</summary>
    bool Looks(Link link);

    /// <param name="bytes">Empty if nobody looks.</param>
    void OnReceived(Link link, ReadOnlySpan<byte> bytes, int count);

    /// <summary>What had to wait has been sent.</summary>
    void OnSent(Link link);

    /// <summary>The server sends no more.</summary>
    void OnEnd(Link link);
}

/// <summary>One open conversation of a load, plain or over TLS.</summary>
internal abstract class Link(int index, ILinkHandler handler) : IDisposable
{
    [ThreadStatic]
    private static byte[]? _buffer;

    // One for each thread that drives a load: what two loads of one process share, one of them writes into while the other reads.
    protected static byte[] Buffer => _buffer ??= GC.AllocateUninitializedArray<byte>(256 * 1024, pinned: true);

    public int Index { get; } = index;

    protected ILinkHandler Handler { get; } = handler;

    /// <summary>Something waits to be sent; no more can be.</summary>
    public virtual bool IsBusy => false;

    /// <summary>How many TCP segments with data the server has sent, that have come.</summary>
    public abstract uint SegmentsReceived { get; }

    public static Link Open(LoadOptions options, string path, int index, ILinkHandler handler, Poller poller)
    {
        RawStream socket = RawStream.Connect(options.Host, options.Port, index);
        Stream stream = Handshake.Open(socket, options, path);
        return stream is SslStream tls ? new TlsLink(socket, tls, index, handler, poller) : new PlainLink(socket, index, handler, poller);
    }

    /// <summary>Sends it, at once or when there is room; until then it must not change.</summary>
    public abstract void Send(ReadOnlyMemory<byte> bytes);

    public abstract void Dispose();
}

internal sealed class PlainLink : Link, IPolled
{
    private readonly RawStream _socket;
    private readonly Poller _poller;
    private readonly int _place;
    private ReadOnlyMemory<byte> _waiting;

    public PlainLink(RawStream socket, int index, ILinkHandler handler, Poller poller)
        : base(index, handler)
    {
        _socket = socket;
        _poller = poller;
        _place = poller.Add(socket.Descriptor, this);
    }

    public override bool IsBusy => !_waiting.IsEmpty;

    public override uint SegmentsReceived => Libc.SegmentsReceived(_socket.Descriptor);

    public override void Send(ReadOnlyMemory<byte> bytes)
    {
        if (IsBusy)
        {
            throw new InvalidOperationException("Something waits already.");
        }

        _waiting = bytes;
        Flush();
    }

    public void OnEvents(uint events)
    {
        if (IsBusy && (events & Libc.Writable) != 0)
        {
            Flush();
            if (!IsBusy)
            {
                Handler.OnSent(this);
            }
        }

        if ((events & (Libc.Readable | Libc.Failed)) != 0)
        {
            Receive();
        }
    }

    public override void Dispose()
    {
        _poller.Remove(_place);
        _socket.Dispose();
    }

    private void Receive()
    {
        byte[] buffer = Buffer;
        while (true)
        {
            bool looks = Handler.Looks(this);
            int count = looks ? Libc.Receive(_socket.Descriptor, buffer) : Libc.Discard(_socket.Descriptor);
            if (count < 0)
            {
                return;
            }

            if (count == 0)
            {
                Handler.OnEnd(this);
                return;
            }

            Handler.OnReceived(this, looks ? buffer.AsSpan(0, count) : default, count);

            // A buffer that is not full has taken all; what comes next comes with an event of its own.
            if (!looks || count < buffer.Length)
            {
                return;
            }
        }
    }

    private void Flush()
    {
        while (!_waiting.IsEmpty)
        {
            int count = Libc.Send(_socket.Descriptor, _waiting.Span);
            if (count < 0)
            {
                return;
            }

            _waiting = _waiting[count..];
        }
    }
}

internal sealed class TlsLink : Link
{
    private readonly RawStream _socket;
    private readonly SslStream _tls;
    private readonly byte[] _received = new byte[16 * 1024];
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private Exception? _failure;

    public TlsLink(RawStream socket, SslStream tls, int index, ILinkHandler handler, Poller poller)
        : base(index, handler)
    {
        (_socket, _tls) = (socket, tls);
        socket.Join(poller);
        _ = ReceiveAsync();
    }

    public override uint SegmentsReceived => Libc.SegmentsReceived(_socket.Descriptor);

    public override void Send(ReadOnlyMemory<byte> bytes)
    {
        if (_failure is not null)
        {
            throw new LoadException(_failure.Message);
        }

        _tls.Write(bytes.Span);
    }

    public override void Dispose() => _tls.Dispose();

    private async Task ReceiveAsync()
    {
        try
        {
            while (true)
            {
                int count = Handshake.Some(await _tls.ReadAsync(_received));
                if (Environment.CurrentManagedThreadId != _thread)
                {
                    throw new LoadException("TLS went on in another thread.");
                }

                Handler.OnReceived(this, _received.AsSpan(0, count), count);
            }
        }
        catch (Exception exception) when (exception is LoadException or IOException or ObjectDisposedException)
        {
            // The load misses what does not come, and says so after a while.
            _failure = exception;
        }
    }
}
