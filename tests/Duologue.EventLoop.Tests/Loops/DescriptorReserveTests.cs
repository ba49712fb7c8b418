using Duologue.EventLoop.Loops;

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
}
