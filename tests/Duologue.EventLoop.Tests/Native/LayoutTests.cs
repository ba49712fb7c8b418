using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Tests.Native;

/// <summary>What is shared with the kernel has the sizes and places of its headers, which are the same on x64 and arm64.</summary>
public class LayoutTests
{
    [Fact]
    public void The_structures_are_as_large_as_the_kernels()
    {
        // linux/io_uring.h, linux/time_types.h, bits/socket.h, bits/types/struct_iovec.h
        Assert.Equal(
            [64, 16, 120, 40, 40, 16, 24, 16, 16, 56],
            [
                Unsafe.SizeOf<UringRequest>(), Unsafe.SizeOf<UringCompletion>(), Unsafe.SizeOf<UringParameters>(), Unsafe.SizeOf<UringOffsets>(),
                Unsafe.SizeOf<UringBufferRegistration>(), Unsafe.SizeOf<UringBuffer>(), Unsafe.SizeOf<UringWait>(), Unsafe.SizeOf<KernelTime>(),
                Unsafe.SizeOf<IoVector>(), Unsafe.SizeOf<MessageHeader>(),
            ]);
    }

    [Fact]
    public void The_fields_lie_where_the_kernel_looks()
    {
        AssertAt<UringParameters>(nameof(UringParameters.Features), 20);
        AssertAt<UringParameters>(nameof(UringParameters.Submission), 40);
        AssertAt<UringParameters>(nameof(UringParameters.Completion), 80);
        AssertAt<UringOffsets>(nameof(UringOffsets.Sixth), 20);
        AssertAt<UringOffsets>(nameof(UringOffsets.Seventh), 24);
        AssertAt<UringBufferRegistration>(nameof(UringBufferRegistration.Group), 12);
        AssertAt<UringBuffer>(nameof(UringBuffer.Reserved), 14);
        AssertAt<UringWait>(nameof(UringWait.Timeout), 16);
        AssertAt<MessageHeader>(nameof(MessageHeader.Vectors), 16);
        AssertAt<MessageHeader>(nameof(MessageHeader.Flags), 48);
    }

    private static void AssertAt<T>(string field, int offset) => Assert.Equal(offset, (int)Marshal.OffsetOf<T>(field));
}
