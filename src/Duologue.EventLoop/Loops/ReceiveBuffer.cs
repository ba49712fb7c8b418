using System.Diagnostics;
using System.Runtime.InteropServices;
using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Loops;

/// <summary>A buffer that is received into, shared by all sockets of a loop: unmanaged, so that the kernel may hold it. Its loop's thread alone.</summary>
/// <param name="size">In bytes.</param>
internal sealed unsafe class ReceiveBuffer(int size)
{
    public byte* Start { get; private set; } = (byte*)NativeMemory.AlignedAlloc((nuint)size, 4096);

    public int Size { get; } = size;

    /// <summary>
    /// Receives with one call that does not wait: where the handler wants the bytes and, behind them, into this buffer, and hands them over.
    /// </summary>
    /// <param name="socket">Whose bytes.</param>
    /// <param name="emptied">Whether there were fewer bytes than there was room: what comes next is announced anew.</param>
    /// <param name="error">The errno where it failed, else 0.</param>
    /// <returns>How many; 0 at the end, -1 with an error.</returns>
    public int ReceiveFrom(LoopSocket socket, out bool emptied, out int error)
    {
        ISocketHandler handler = socket.Handler;
        if (!handler.TryGetDirect(out Memory<byte> direct))
        {
            // In bounds: the buffer has the size.
            int count = (int)Libc.Receive(socket.Descriptor, Start, (nuint)Size, Constants.MessageDoNotWait);
            error = count < 0 ? Libc.LastError : 0;
            emptied = count < Size;
            if (count > 0)
            {
                Debug.Assert(count <= Size, "The kernel received no more than it was given room for.");
                handler.OnReceived(new ReadOnlySpan<byte>(Start, count));
            }

            return count;
        }

        int total;
        fixed (byte* start = direct.Span)
        {
            // In bounds: the kernel writes no more than the lengths of the memory that is pinned here and of the buffer.
            IoVector* vectors = stackalloc IoVector[2];
            vectors[0] = new IoVector { Start = start, Length = (nuint)direct.Length };
            vectors[1] = new IoVector { Start = Start, Length = (nuint)Size };
            MessageHeader message = default;
            message.Vectors = vectors;
            message.VectorCount = 2;
            total = (int)Libc.ReceiveMessage(socket.Descriptor, &message, Constants.MessageDoNotWait);
        }

        error = total < 0 ? Libc.LastError : 0;
        emptied = total < direct.Length + (long)Size;
        if (total > 0)
        {
            Debug.Assert(total <= direct.Length + (long)Size, "The kernel received no more than it was given room for.");
            handler.OnReceivedDirect(direct, Math.Min(total, direct.Length));
            if (total > direct.Length && !socket.IsClosed)
            {
                socket.Handler.OnReceived(new ReadOnlySpan<byte>(Start, total - direct.Length));
            }
        }

        return total;
    }

    public void Free()
    {
        NativeMemory.AlignedFree(Start);
        Start = null;
    }
}
