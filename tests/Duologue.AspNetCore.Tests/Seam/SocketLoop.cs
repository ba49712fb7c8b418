using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Duologue.Carriers;

namespace Duologue.AspNetCore.Tests.Seam;

/// <summary>
/// The smallest event loop that can carry a conversation: one thread, non-blocking sockets, <c>select</c>. It shows that
/// the seam holds for a carrier that reads its sockets itself, and is what an optimised loop has to agree with.
/// </summary>
internal sealed class SocketLoop : IDisposable
{
    private readonly ConcurrentQueue<Action> _posted = new();
    private readonly List<LoopCarrier> _carriers = [];
    private readonly byte[] _received = new byte[64 * 1024];
    private readonly Socket _wake = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly Thread _thread;
    private volatile bool _stopped;

    public SocketLoop()
    {
        _wake.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _wake.Connect(_wake.LocalEndPoint!);
        _thread = new Thread(Run) { IsBackground = true, Name = "socket loop" };
        _thread.Start();
    }

    /// <summary>The largest number of bytes handed to a connection at once: the shared receive buffer.</summary>
    public Span<byte> ReceiveBuffer => _received;

    public void Post(Action action)
    {
        _posted.Enqueue(action);
        _wake.Send([1]);
    }

    /// <summary>Takes a socket over. <paramref name="before"/> is what was read from it already.</summary>
    public void Carry(Socket socket, WebSocketConnection connection, byte[] before) => Post(() =>
    {
        var carrier = new LoopCarrier(this, socket, connection);
        _carriers.Add(carrier);
        connection.Start(carrier);
        carrier.Push(before);
    });

    public void Remove(LoopCarrier carrier) => _carriers.Remove(carrier);

    public void Dispose()
    {
        _stopped = true;
        Post(() => { });
        _thread.Join();
        _wake.Dispose();
    }

    private void Run()
    {
        byte[] wakeBytes = new byte[16];
        while (!_stopped)
        {
            List<Socket> readable = [_wake, .. _carriers.Where(c => c.WantsRead).Select(c => c.Socket)];
            List<Socket> writable = [.. _carriers.Where(c => c.WantsWrite).Select(c => c.Socket)];
            Socket.Select(readable, writable.Count == 0 ? null : writable, null, TimeSpan.FromSeconds(5));
            if (readable.Remove(_wake))
            {
                _wake.Receive(wakeBytes);
            }

            foreach (LoopCarrier carrier in _carriers.ToArray())
            {
                if (writable.Contains(carrier.Socket))
                {
                    carrier.OnWritable();
                }

                if (readable.Contains(carrier.Socket))
                {
                    carrier.OnReadable();
                }
            }

            while (_posted.TryDequeue(out Action? action))
            {
                action();
            }
        }
    }
}

/// <summary>A raw socket as a carrier. All but flushing and posting happens on the loop's thread.</summary>
internal sealed class LoopCarrier(SocketLoop loop, Socket socket, WebSocketConnection connection) : Carrier
{
    private readonly RentedWriter _output = new();
    private readonly Lock _lock = new();
    private byte[] _left = [];
    private bool _ended;
    private int _piece;
    private int _sent;
    private TaskCompletionSource<bool>? _flush;

    public Socket Socket => socket;

    public bool WantsRead => !_ended && _left.Length == 0;

    public bool WantsWrite
    {
        get
        {
            lock (_lock)
            {
                return !_ended && _flush is not null;
            }
        }
    }

    public override IBufferWriter<byte> Output => _output;

    public override ValueTask<bool> FlushAsync()
    {
        TaskCompletionSource<bool> flush;
        lock (_lock)
        {
            _piece = 0;
            _sent = 0;
            bool? done = TrySend();
            if (done is not null)
            {
                _output.Release();
                return new ValueTask<bool>(done.Value);
            }

            // Kept here: the loop may have taken the field back before this method returns.
            _flush = flush = new TaskCompletionSource<bool>();
        }

        loop.Post(() => { });
        return new ValueTask<bool>(flush.Task);
    }

    public override void ResumeReading() => loop.Post(() => Push([]));

    public override void Complete() => loop.Post(() => End(null, reset: false));

    public override void Abort() => loop.Post(() => End(null, reset: true));

    public void OnWritable()
    {
        TaskCompletionSource<bool>? flush;
        bool? done;
        lock (_lock)
        {
            flush = _flush;
            done = flush is null ? null : TrySend();
            if (done is null)
            {
                return;
            }

            _flush = null;
            _output.Release();
        }

        flush!.SetResult(done.Value);
    }

    public void OnReadable()
    {
        int count = socket.Receive(loop.ReceiveBuffer, SocketFlags.None, out SocketError error);
        if (error == SocketError.WouldBlock)
        {
            return;
        }

        if (count == 0 || error != SocketError.Success)
        {
            End(error == SocketError.Success ? null : new SocketException((int)error), reset: false);
            return;
        }

        Push(loop.ReceiveBuffer[..count]);
    }

    /// <summary>Gives bytes to the connection behind those that it left before.</summary>
    public void Push(ReadOnlySpan<byte> bytes)
    {
        if (_ended)
        {
            return;
        }

        byte[] all = [.. _left, .. bytes];
        int taken = connection.OnReceived(all);
        connection.OnBatchEnd();
        _left = all[taken..];
    }

    private bool? TrySend()
    {
        while (_piece < _output.PieceCount)
        {
            ReadOnlySpan<byte> piece = _output.GetPiece(_piece).Span;
            if (_sent == piece.Length)
            {
                _piece++;
                _sent = 0;
                continue;
            }

            int count = socket.Send(piece[_sent..], SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock)
            {
                return null;
            }

            if (error != SocketError.Success)
            {
                return false;
            }

            _sent += count;
        }

        return true;
    }

    private void End(Exception? error, bool reset)
    {
        TaskCompletionSource<bool>? flush;
        lock (_lock)
        {
            if (_ended)
            {
                return;
            }

            _ended = true;
            (flush, _flush) = (_flush, null);
        }

        loop.Remove(this);
        if (reset)
        {
            socket.LingerState = new LingerOption(true, 0);
        }

        socket.Dispose();
        flush?.SetResult(false);
        connection.OnEnd(error);
    }
}
