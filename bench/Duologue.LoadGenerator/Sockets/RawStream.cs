using System.Net;
using System.Runtime.InteropServices;
using System.Threading.Tasks.Sources;

namespace Duologue.LoadGenerator;

/// <summary>
/// A socket as a stream, for what happens once (handshakes) and for TLS. Its asynchronous waits end inline, on the thread of the
/// <see cref="Poller"/>; its synchronous calls wait by themselves.
/// </summary>
internal sealed class RawStream : Stream, IPolled, IValueTaskSource<int>
{
    private const int Patience = 20_000; // milliseconds

    // The handshake of TLS goes on in the thread pool at times; what it asks for and what comes must not miss each other.
    private readonly Lock _gate = new();
    private ManualResetValueTaskSourceCore<int> _wait;
    private Memory<byte> _into;
    private bool _reading;
    private bool _connecting;
    private Poller? _poller;
    private int _place;
    private bool _closed;

    private RawStream(int socket) => Descriptor = socket;

    public int Descriptor { get; }

    /// <summary>How many addresses of this machine the connections come from, so that ports do not run out: each has some 28,000.</summary>
    public static int Addresses => 32;

    /// <summary>Connects and waits for it.</summary>
    public static RawStream Connect(IPAddress host, int port, int index)
    {
        int socket = Libc.NewSocket(Source(index));
        int error = Libc.TryConnect(socket, host, port);
        return error == 0 ? new RawStream(socket) : throw Refused(error);
    }

    /// <summary>Connects without waiting; it does once events come from the poller.</summary>
    public static async ValueTask<RawStream> ConnectAsync(IPAddress host, int port, int index, Poller poller)
    {
        int socket = Libc.NewSocket(Source(index));
        Libc.DoNotBlock(socket);
        int error = Libc.TryConnect(socket, host, port);
        if (error is not (0 or Libc.InProgress))
        {
            throw Refused(error);
        }

        RawStream stream = new(socket);
        if (error == Libc.InProgress)
        {
            stream._connecting = true;
            stream.Join(poller);
            await stream.NextAsync();
            error = Libc.Error(socket);
            return error == 0 ? stream : throw Refused(error);
        }

        stream.Join(poller);
        return stream;
    }

    public void Join(Poller poller)
    {
        _poller = poller;
        _place = poller.Add(Descriptor, this);
    }

    public void OnEvents(uint events)
    {
        int count = 0;
        LoadException? failure = null;
        lock (_gate)
        {
            if (_connecting)
            {
                _connecting = false;
            }
            else
            {
                if (!_reading || (events & (Libc.Readable | Libc.Failed)) == 0)
                {
                    return;
                }

                try
                {
                    count = Libc.Receive(Descriptor, _into.Span);
                }
                catch (LoadException exception)
                {
                    failure = exception;
                }

                if (count < 0)
                {
                    return;
                }

                _reading = false;
            }
        }

        if (failure is null)
        {
            _wait.SetResult(count);
        }
        else
        {
            _wait.SetException(failure);
        }
    }

    public override int Read(Span<byte> buffer)
    {
        int count;
        while ((count = Libc.Receive(Descriptor, buffer)) < 0)
        {
            Wait(Libc.Readable);
        }

        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            int count = Libc.Receive(Descriptor, buffer.Span);
            if (count >= 0)
            {
                return new ValueTask<int>(count);
            }

            _wait.Reset();
            _into = buffer;
            _reading = true;
        }

        return NextAsync();
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = Libc.Send(Descriptor, buffer);
            if (count < 0)
            {
                Wait(Libc.Writable);
            }

            buffer = buffer[Math.Max(0, count)..];
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        Write(buffer, offset, count);
        return Task.CompletedTask;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_closed)
        {
            _closed = true;
            _poller?.Remove(_place);
            _ = Libc.Close(Descriptor);
        }

        base.Dispose(disposing);
    }

    public int GetResult(short token) => _wait.GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token) => _wait.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);

    // 127.0.0.1 is left to whoever else is on the machine.
    private static IPAddress Source(int index) => new([127, 0, 0, (byte)(2 + (index % Addresses))]);

    private static LoadException Refused(int error) => new($"connect: {Marshal.GetPInvokeErrorMessage(error)}");

    private ValueTask<int> NextAsync() => new(this, _wait.Version);

    private unsafe void Wait(uint what)
    {
        ulong socketAndEvents = (uint)Descriptor | ((ulong)what << 32);
        if (Libc.Poll(&socketAndEvents, 1, Patience) == 0)
        {
            throw new LoadException($"The server did nothing for {Patience / 1000} s.");
        }
    }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
