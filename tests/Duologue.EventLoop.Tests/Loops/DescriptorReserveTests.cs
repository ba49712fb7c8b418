using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Native;
using Duologue.EventLoop.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue.EventLoop.Tests.Loops;

public class DescriptorReserveTests
{
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

    private sealed class Still() : ImaginaryLoop(NullLogger.Instance);
}
