using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Duologue.EventLoop.Native;

/// <summary>
/// The buffers that the kernel receives into, shared by all sockets of a loop: it takes one when bytes are there, so that a connection at
/// rest has none. Where the kernel can, it fills a large buffer piece by piece: small messages lie close together, and a large
/// one comes in one piece.
/// </summary>
internal sealed unsafe class UringBuffers
{
    private const ushort Incremental = 2;
    private const uint CompletionHasBuffer = 1;
    private const uint CompletionBufferGoesOn = 16;

    // Incremental buffers came with 6.12, and worked with multishot receives some versions later.
    private static readonly Version IncrementalSince = new(6, 16);

    private readonly UringBuffer* _ring;
    private readonly byte* _memory;
    private readonly int[] _used;
    private readonly uint _count;
    private readonly int _size;
    private ushort _tail;

    private UringBuffers(UringBuffer* ring, byte* memory, uint count, int size, bool incremental)
    {
        _ring = ring;
        _memory = memory;
        _count = count;
        _size = size;
        IsIncremental = incremental;
        _used = new int[count];
        for (ushort i = 0; i < count; i++)
        {
            Add(i);
        }

        Publish();
    }

    public bool IsIncremental { get; }

    /// <summary>Gives the kernel buffers; null where it takes none.</summary>
    public static UringBuffers? TryCreate(UringRing ring) =>
        (Environment.OSVersion.Version >= IncrementalSince ? TryCreate(ring, 16, 64 * 1024, Incremental) : null) ?? TryCreate(ring, 256, 8 * 1024, 0);

    /// <summary>The bytes of a completion that brought some; valid until the matching <see cref="Release"/>.</summary>
    public ReadOnlySpan<byte> Get(in UringCompletion completion)
    {
        Debug.Assert((completion.Flags & CompletionHasBuffer) != 0, "Received bytes lie in a buffer.");
        uint id = completion.Flags >> 16;
        Debug.Assert(id < _count && _used[id] + completion.Result <= _size, "The kernel fills no more than the buffer has.");

        // In bounds: asserted above; the kernel knows each buffer's length.
        return new ReadOnlySpan<byte>(_memory + ((long)id * _size) + _used[id], completion.Result);
    }

    /// <summary>The bytes of a completion were dealt with.</summary>
    public void Release(in UringCompletion completion)
    {
        if ((completion.Flags & CompletionHasBuffer) == 0)
        {
            return;
        }

        ushort id = (ushort)(completion.Flags >> 16);
        if (IsIncremental && (completion.Flags & CompletionBufferGoesOn) != 0)
        {
            _used[id] += Math.Max(0, completion.Result);
            return;
        }

        _used[id] = 0;
        Add(id);
    }

    /// <summary>Lets the kernel see the buffers that were released.</summary>
    // struct io_uring_buf_ring: the ring's tail lies in the reserved field of its first buffer.
    public void Publish() => Volatile.Write(ref _ring->Reserved, _tail);

    /// <summary>After the rings were closed.</summary>
    public void Free()
    {
        NativeMemory.AlignedFree(_memory);
        NativeMemory.AlignedFree(_ring);
    }

    private static UringBuffers? TryCreate(UringRing ring, uint count, int size, ushort flags)
    {
        // Page-aligned, as the kernel wants the ring.
        var buffers = (UringBuffer*)NativeMemory.AlignedAlloc((nuint)Math.Max(4096, count * sizeof(UringBuffer)), 4096);
        NativeMemory.Clear(buffers, count * (nuint)sizeof(UringBuffer));
        if (!ring.TryRegisterBuffers(buffers, count, flags))
        {
            NativeMemory.AlignedFree(buffers);
            return null;
        }

        byte* memory = (byte*)NativeMemory.AlignedAlloc(count * (nuint)size, 4096);
        return new UringBuffers(buffers, memory, count, size, flags != 0);
    }

    private void Add(ushort id)
    {
        UringBuffer* buffer = _ring + (_tail & (_count - 1));
        Debug.Assert(buffer < _ring + _count, "The count is a power of two: the mask keeps the index within the ring.");
        buffer->Address = (ulong)(_memory + ((long)id * _size));
        buffer->Length = (uint)_size;
        buffer->Id = id;
        _tail++;
    }
}
