using System.Net;
using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.EventLoop.Tests.Loops;

public class BackendChoiceTests
{
    [Fact]
    public void Linux_has_epoll_at_least()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "There are no loops on other systems.");
        BackendChoice choice = BackendChoice.For(EventLoopBackend.Epoll);
        Assert.Equal((EventLoopBackend.Epoll, "as the options ask."), (choice.Backend, choice.Reason));
        Assert.NotNull(BackendChoice.For(EventLoopBackend.Auto).Backend);
    }

    [Fact]
    public void Asked_for_io_uring_it_takes_that_or_says_why_not()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "There are no loops on other systems.");
        BackendChoice choice = BackendChoice.For(EventLoopBackend.IoUring);
        Assert.True(choice.Backend == EventLoopBackend.IoUring || choice.Reason.StartsWith("io_uring cannot run here: ", StringComparison.Ordinal), choice.Reason);
    }

    [Fact]
    public void Elsewhere_there_is_none()
    {
        Assert.SkipWhen(OperatingSystem.IsLinux(), "This is Linux.");
        BackendChoice choice = BackendChoice.For(EventLoopBackend.Auto);
        Assert.Null(choice.Backend);
        Assert.Contains("Linux", choice.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_log_says_once_what_runs_and_why()
    {
        await using LoopHost host = await LoopHost.StartAsync(EventLoopBackend.Auto, app => app.MapGet("/", () => "hello"));
        using var client = new HttpClient();
        Assert.Equal("hello", await client.GetStringAsync(host.Url, TestContext.Current.CancellationToken));
        Assert.Single(host.Log.GetSnapshot(), record => record.Id.Name is "BackendChosen" or "BackendUnavailable" or "BackendNotThere");
    }

    [Fact]
    public async Task What_the_loops_do_not_take_goes_to_Kestrels_own_sockets()
    {
        await using LoopHost host = await LoopHost.StartAsync(EventLoopBackend.Epoll, app => app.MapGet("/", () => "hello"));
        IConnectionListenerFactory[] transports = [.. host.Services.GetServices<IConnectionListenerFactory>()];
        Assert.Equal(["SocketTransportFactory", "EventLoopTransport"], transports.Select(transport => transport.GetType().Name));
        Assert.False(((IConnectionListenerFactorySelector)transports[^1]).CanBind(new DnsEndPoint("localhost", 80)));
    }
}
