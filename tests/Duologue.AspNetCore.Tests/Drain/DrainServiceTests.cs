using System.Net.WebSockets;
using System.Security.Claims;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Drain;

public class DrainServiceTests
{
    [Fact]
    public async Task Stopping_closes_all_with_1001_and_refuses_new_ones_with_503()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle), options => options.CloseTimeout = TestHost.Patience);
        ClientWebSocket[] clients = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => host.ConnectAsync("/")));
        Connection[] connections = [.. host.Connections];
        Assert.Equal(20, connections.Length);

        Task stopping = host.StopAsync();
        string[] closes = await Task.WhenAll(clients[1..].Select(client => client.ReceiveTextAsync()));

        // None has answered its Close yet, so the drain goes on.
        RawAnswer refused = await host.HandshakeAsync("/");
        closes = [.. closes, await clients[0].ReceiveTextAsync()];
        await Task.WhenAll(clients.Select(client => client.CloseAsync()));
        await stopping.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);

        Assert.All(closes, close => Assert.Equal("close 1001 The server is shutting down.", close));
        Assert.Equal(503, refused.Status);
        Assert.Equal("5", refused["Retry-After"]);
        foreach (Connection connection in connections)
        {
            CloseInfo info = await connection.Closed;
            Assert.Equal(CloseCause.ServerDraining, info.Cause);
            Assert.True(info.WasClean);
        }

        Assert.Contains(host.Log.GetSnapshot(), record => record.Id.Name == "DrainCompleted");
        Assert.All(clients, client => client.Dispose());
    }

    [Fact]
    public async Task The_closes_are_spread_over_the_window()
    {
        var time = new FakeTimeProvider();
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Idle),
            options => options.DrainWindow = TimeSpan.FromSeconds(10),
            builder => builder.Services.AddSingleton<TimeProvider>(time));
        ClientWebSocket[] clients = await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => host.ConnectAsync("/")));
        Task stopping = host.StopAsync();
        Task<string>[] closes = [.. clients.Select(client => client.ReceiveTextAsync())];
        Task all = Task.WhenAll(closes);

        // 60 connections take 0.6 s of a window of 10 s: never slower than 100 per second. In ticks of 20 ms, the first at once.
        TimeSpan tick = TimeSpan.FromMilliseconds(20);
        for (TimeSpan passed = tick; !all.IsCompleted; passed += tick)
        {
            Assert.InRange(closes.Count(close => close.IsCompleted), 0, (int)Math.Ceiling(60 * (passed / TimeSpan.FromSeconds(0.6))));
            time.Advance(tick);
            await Task.WhenAny(all, Task.Delay(tick, TestContext.Current.CancellationToken));
        }

        await Task.WhenAll(clients.Select(client => client.CloseAsync()));
        while (!stopping.IsCompleted)
        {
            time.Advance(tick);
            await Task.WhenAny(stopping, Task.Delay(5, TestContext.Current.CancellationToken));
        }

        await stopping;
        Assert.All(clients, client => client.Dispose());
    }

    [Fact]
    public async Task Who_does_not_answer_is_cut_within_the_hosts_patience()
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", Talks.Idle),
            options => options.CloseTimeout = TimeSpan.FromSeconds(60),
            builder => builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(2)));
        await using RawClient silent = await RawClient.ConnectAsync(host.Url);
        Assert.Equal(101, (await silent.HandshakeAsync("/")).Status);
        Connection connection = Assert.Single(host.Connections);

        // Kestrel would cut it some time later, and of connections that are detached it knows nothing.
        await host.Services.GetServices<IHostedService>().OfType<DrainService>().Single().StoppingAsync(TestContext.Current.CancellationToken);
        Assert.True(connection.Closed.IsCompleted);
        await host.StopAsync().WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);

        CloseInfo info = await connection.Closed;
        Assert.False(info.WasClean);
        Assert.Empty(host.Connections);
        Assert.Contains(host.Log.GetSnapshot(), record => record.Id.Name == "DrainCut");
        Assert.Contains(host.Log.GetSnapshot(), record => record.Id.Name == "DrainWindowCut");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_was_let_in_before_the_drain_and_is_registered_when_it_has_looked_is_closed_too(bool isAlone)
    {
        using var user = new SlowUser();
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                app.Use((context, next) =>
                {
                    context.User = context.Request.Path == "/late" ? user : context.User;
                    return next(context);
                });
                app.MapDuologue("/", Talks.Idle);
                app.MapDuologue("/late", Talks.Idle);
            },
            options => options.CloseTimeout = TestHost.Patience);
        using ClientWebSocket? other = isAlone ? null : await host.ConnectAsync("/");
        Task<ClientWebSocket> connecting = host.ConnectAsync("/late");
        await user.Asked.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Task stopping = host.Services.GetServices<IHostedService>().OfType<DrainService>().Single().StoppingAsync(TestContext.Current.CancellationToken);
        if (other is null)
        {
            await stopping.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        }
        else
        {
            Assert.StartsWith("close 1001", await other.ReceiveTextAsync(), StringComparison.Ordinal);
        }

        user.Answer();
        using ClientWebSocket late = await connecting.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal("close 1001 The server is shutting down.", await late.ReceiveTextAsync());
        await late.CloseAsync();
        await (other?.CloseAsync() ?? Task.CompletedTask);
        await stopping.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Without_connections_stopping_takes_no_time()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Idle), options => options.DrainWindow = TimeSpan.FromHours(1));

        await host.StopAsync().WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);

        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Id.Name == "DrainStarted");
    }

    /// <summary>Somebody whose name is a while in coming: it is asked for between the judgement of a request and its connection's registration.</summary>
    private sealed class SlowUser() : ClaimsPrincipal(new ClaimsIdentity([new(ClaimTypes.NameIdentifier, "slow")], "test")), IDisposable
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim _answer = new();

        public Task Asked => _asked.Task;

        public void Answer() => _answer.Set();

        public override Claim? FindFirst(string type)
        {
            _asked.TrySetResult();
            Assert.True(_answer.Wait(TestHost.Patience));
            return base.FindFirst(type);
        }

        public void Dispose() => _answer.Dispose();
    }
}
