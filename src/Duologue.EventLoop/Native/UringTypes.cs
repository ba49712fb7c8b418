using System.Runtime.InteropServices;

namespace Duologue.EventLoop.Native;

/// <summary>struct io_uring_sqe: a request.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct UringRequest
{
    [FieldOffset(0)]
    public UringOperation Operation;

    [FieldOffset(1)]
    public byte Flags;

    [FieldOffset(2)]
    public ushort Priority;

    [FieldOffset(4)]
    public int Descriptor;

    [FieldOffset(8)]
    public ulong Offset;

    [FieldOffset(16)]
    public ulong Address;

    [FieldOffset(24)]
    public uint Length;

    [FieldOffset(28)]
    public uint OperationFlags;

    [FieldOffset(32)]
    public ulong UserData;

    [FieldOffset(40)]
    public ushort BufferGroup;
}

/// <summary>struct io_uring_cqe: an answer.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct UringCompletion
{
    private const uint More = 2;

    public ulong UserData;
    public int Result;
    public uint Flags;

    /// <summary>Whether the request is done with: no other completion of it follows.</summary>
    public readonly bool IsLast => (Flags & More) == 0;
}

/// <summary>enum io_uring_op, as far as it is used.</summary>
internal enum UringOperation : byte
{
    Nothing = 0,
    PollAdd = 6,
    SendMessage = 9,
    Accept = 13,
    Cancel = 14,
    Read = 22,
    Send = 26,
    Receive = 27,
}

/// <summary>struct io_uring_params with the offsets of both rings.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct UringParameters
{
    public uint SubmissionEntries;
    public uint CompletionEntries;
    public uint Flags;
    public uint ThreadCpu;
    public uint ThreadIdle;
    public uint Features;
    public uint WorkQueue;
    public fixed uint Reserved[3];
    public UringOffsets Submission;
    public UringOffsets Completion;
}

/// <summary>struct io_sqring_offsets and io_cqring_offsets, which share their size.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct UringOffsets
{
    public uint Head;
    public uint Tail;
    public uint Mask;
    public uint Entries;

    /// <summary>flags of the submission ring, overflow of the completion ring.</summary>
    public uint Fifth;

    /// <summary>dropped of the submission ring, the entries' offset of the completion ring.</summary>
    public uint Sixth;

    /// <summary>the index array's offset of the submission ring, flags of the completion ring.</summary>
    public uint Seventh;
    public uint Reserved;
    public ulong UserAddress;
}

/// <summary>struct io_uring_buf_reg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct UringBufferRegistration
{
    public ulong Address;
    public uint Entries;
    public ushort Group;
    public ushort Flags;
    public ulong Reserved1;
    public ulong Reserved2;
    public ulong Reserved3;
}

/// <summary>struct io_uring_buf: a provided buffer.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct UringBuffer
{
    public ulong Address;
    public uint Length;
    public ushort Id;
    public ushort Reserved;
}

/// <summary>struct io_uring_getevents_arg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct UringWait
{
    public ulong SignalMask;
    public uint SignalMaskSize;
    public uint MinimumMicroseconds;
    public ulong Timeout;
}

/// <summary>struct __kernel_timespec.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KernelTime
{
    public long Seconds;
    public long Nanoseconds;
}
