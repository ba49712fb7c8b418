using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Loops;

// Bulk: sockets that bring much at once. A poll that stays armed tells of new bytes, and plain calls move them, to and from where they belong.
internal sealed unsafe partial class UringLoop
{
    /// <summary>A receive of so much makes a socket a bulk one: plain calls move much at once with fewer copies than provided buffers.</summary>
    private const int BulkFrom = 8 * 1024;

    /// <summary>So many receives in a row of less than <see cref="BulkFrom"/> end that.</summary>
    private const int SmallsToEndBulk = 16;

    private const int PollEnds = (int)(Constants.PollReadHangUp | Constants.PollHangUp | Constants.PollError);

    private const int BulkSize = 512 * 1024;

    /// <summary>So often a bulk socket is read in a row before others have their turn.</summary>
    private const int ReadsPerTurn = 2;

    private readonly ReceiveBuffer _bulk = new(BulkSize);

    // Bulk sockets that had more when their turn was over.
    private readonly List<LoopSocket> _unfinished = [];

    private void OnReadable(LoopSocket socket, in UringCompletion completion)
    {
        if (completion.IsLast)
        {
            socket.Clear(SocketActivity.ReceiveArmed | SocketActivity.Cancelling);
        }

        if (completion.Result >= 0)
        {
            Read(socket, toTheEnd: (completion.Result & PollEnds) != 0);
        }

        if (socket.Has(SocketActivity.Receiving) && !socket.Has(SocketActivity.ReceiveArmed) && !socket.IsClosed)
        {
            Arm(socket);
        }
    }

    /// <summary>Reads a bulk socket until it is empty, for the poll tells of new bytes only; or until others have waited long enough.</summary>
    /// <param name="socket">Whose bytes.</param>
    /// <param name="toTheEnd">Whether the peer has ended, or may have: the poll has told of it with the last bytes, and a receive tells of it behind them only.</param>
    private void Read(LoopSocket socket, bool toTheEnd)
    {
        for (int i = 0; i < ReadsPerTurn; i++)
        {
            if (socket.IsClosed || !socket.Has(SocketActivity.Receiving))
            {
                // When it is to be read again, the poll is armed anew and tells of what is there.
                return;
            }

            int count = _bulk.ReceiveFrom(socket, out bool emptied, out int error);
            if (count >= BulkFrom)
            {
                socket.SmallReceives = 0;
            }
            else if (count > 0)
            {
                EndBulkAfterSmalls(socket);
            }
            else if (!IsRetry(error))
            {
                socket.Clear(SocketActivity.Receiving);
                socket.Handler.OnReceiveEnded(error);
            }

            if (socket.Has(SocketActivity.Dirty))
            {
                SendNow(socket);
            }

            if (error != Errno.Interrupted && (count <= 0 || (emptied && !toTheEnd)))
            {
                return;
            }
        }

        _unfinished.Add(socket);
    }

    private void GoOnReading()
    {
        int count = _unfinished.Count;
        for (int i = 0; i < count; i++)
        {
            LoopSocket socket = _unfinished[i];
            if (!socket.Has(SocketActivity.Polling))
            {
                // No longer a bulk socket: the kernel brings its bytes again, and a plain call beside that might change their order.
                continue;
            }

            Enter(socket);
            try
            {
                Read(socket, toTheEnd: true);
            }
            catch (Exception exception)
            {
                Fail(socket, exception);
            }
        }

        _unfinished.RemoveRange(0, count);
    }

    private void EndBulkAfterSmalls(LoopSocket socket)
    {
        if (!socket.Has(SocketActivity.Bulk) || ++socket.SmallReceives < SmallsToEndBulk)
        {
            return;
        }

        socket.Clear(SocketActivity.Bulk);
        if (socket.Has(SocketActivity.ReceiveArmed) && !socket.Has(SocketActivity.Cancelling) && !socket.IsClosed)
        {
            CancelReceive(socket);
        }
    }
}
