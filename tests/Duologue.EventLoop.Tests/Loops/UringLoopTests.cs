using System.Net;
using System.Net.Sockets;
using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Native;
using Duologue.EventLoop.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue.EventLoop.Tests.Loops;

public class UringLoopTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Receives_without_a_buffer_that_filled_the_queue_of_requests_went_round_for_ever()
    {
        Assert.SkipUnless(LoopHost.Backends.Any(row => row.Data == EventLoopBackend.IoUring), "io_uring cannot run here.");

        // Together more than the kernel has buffers for, and many more sockets than the queue has places.
        const int Count = 64;
        const int Size = 60_000;
        var loop = new UringLoop(0, NullLogger.Instance, entries: 4);
        loop.Start();
        int descriptor = Sockets.Listen(new IPEndPoint(IPAddress.Loopback, 0), 1, nonBlocking: true)[0];
        var reader = new Reader(Count, Count * Size);
        var listener = new LoopListener(descriptor, reader);
        loop.Post(() => loop.Listen(listener));
        var peers = new List<Socket>();
        for (int i = 0; i < Count; i++)
        {
            var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            peers.Add(peer);
            await peer.ConnectAsync(SocketAddresses.GetLocal(descriptor)!, Token);
            for (int sent = 0; sent < Size;)
            {
                sent += await peer.SendAsync(new byte[Size - sent], Token);
            }
        }

        List<LoopSocket> sockets = await reader.Accepted.Task.WaitAsync(LoopHost.Patience, Token);
        loop.Post(() => sockets.ForEach(loop.StartReceiving));

        await reader.Received.Task.WaitAsync(LoopHost.Patience, Token);
        loop.Stop();
        peers.ForEach(peer => peer.Dispose());
        _ = Libc.Close(descriptor);
    }

    /// <summary>Takes connections in, counts what is received, and tells when all is there.</summary>
    private sealed class Reader(int connections, long bytes) : IdleHandler, IAcceptor
    {
        private readonly List<LoopSocket> _sockets = [];
        private long _left = bytes;

        public TaskCompletionSource<List<LoopSocket>> Accepted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Received { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Name => "the test's";

        public bool OnAccepted(Loop loop, LoopListener listener, int descriptor, ReadOnlySpan<byte> remote)
        {
            _sockets.Add(loop.Add(descriptor, this));
            if (_sockets.Count == connections)
            {
                Accepted.SetResult(_sockets);
            }

            return true;
        }

        public override void OnReceived(ReadOnlySpan<byte> bytes)
        {
            _left -= bytes.Length;
            if (_left == 0)
            {
                Received.SetResult();
            }
        }
    }
}
