using System.Globalization;
using System.Runtime.InteropServices;
using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Native;
using Duologue.EventLoop.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue.EventLoop.Tests.Loops;

[Collection(Alone.Name)]
public partial class DescriptorReserveTests
{
    private const int DescriptorLimit = 7;

    [Fact]
    public void What_is_let_go_of_can_be_taken_back()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The event loop runs on Linux.");
        using var reserve = new DescriptorReserve();
        int size = reserve.Count;
        Assert.NotEqual(0, size);

        reserve.Release();
        Assert.Equal(0, reserve.Count);

        Assert.True(reserve.TryFill());
        Assert.Equal(size, reserve.Count);
    }

    [Fact]
    public void When_its_loops_have_ended_it_takes_nothing_back()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The event loop runs on Linux.");
        var reserve = new DescriptorReserve();
        reserve.Dispose();
        Assert.True(reserve.TryFill());
        Assert.Equal(0, reserve.Count);
    }

    [Fact]
    public async Task It_is_let_go_of_when_all_loops_rest_of_this_round_and_stays_so_for_a_while()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The event loop runs on Linux.");
        using var reserve = new DescriptorReserve();
        int size = reserve.Count;
        reserve.Join(new Still());
        reserve.Join(new Still());
        Assert.True(reserve.TryLetGo(Errno.DescriptorsExhausted));

        // What a loop says late is of another rest, which is over.
        reserve.OnRested(0);
        reserve.OnRested(0);
        reserve.OnRested(1);
        Assert.Equal(size, reserve.Count);
        long before = Environment.TickCount64;
        reserve.OnRested(1);
        Assert.Equal(0, reserve.Count);
        Assert.False(reserve.TryLetGo(Errno.DescriptorsExhausted));
        Assert.True(!reserve.TryFill() || Environment.TickCount64 - before >= 100, "It was taken back at once, before anybody could use it.");
        await Eventually.True(reserve.TryFill, () => "It is not taken back.");
        Assert.Equal(size, reserve.Count);
    }


    [Fact]
    public void While_accepting_rested_it_took_the_few_that_were_free_and_left_none_to_the_runtime()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The event loop runs on Linux.");
        using var reserve = new DescriptorReserve();
        int size = reserve.Count;
        reserve.Release();
        Assert.Equal(0, GetLimit(DescriptorLimit, out ResourceLimit before));
        ResourceLimit few = before with { Soft = LimitThatLeavesFree(size / 2) };
        bool isFull = true;
        int count = -1;
        Assert.Equal(0, SetLimit(DescriptorLimit, few));
        try
        {
            isFull = reserve.TryFill();
            count = reserve.Count;
        }
        finally
        {
            _ = SetLimit(DescriptorLimit, before);
        }

        Assert.False(isFull);
        Assert.Equal(0, count);
        Assert.True(reserve.TryFill());
        Assert.Equal(size, reserve.Count);
    }

    // The limit is one on the numbers of descriptors (getrlimit(2)).
    private static ulong LimitThatLeavesFree(int count)
    {
        HashSet<int> used = [.. Directory.EnumerateFileSystemEntries("/proc/self/fd").Select(path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture))];
        int limit = 0;
        for (int free = 0; free < count; limit++)
        {
            free += used.Contains(limit) ? 0 : 1;
        }

        return (ulong)limit;
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, out ResourceLimit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, in ResourceLimit limit);

    private record struct ResourceLimit(ulong Soft, ulong Hard);

    private sealed class Still() : ImaginaryLoop(NullLogger.Instance);
}
