using Duologue.AspNetCore;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.EventLoop.Tests.Detached;

/// <summary>A handler that blocks, where it may.</summary>
public class HandlerSchedulingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task On_the_pool_it_holds_up_nobody(EventLoopBackend backend)
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using LoopHost host = await LoopHost.StartAsync(
            options => (options.Backend, options.Loops) = (backend, 1),
            app =>
            {
                app.MapDuologue<Blocking>("/blocking").WithOptions(options => options.HandlerScheduling = HandlerScheduling.ThreadPool);
                app.MapDuologue("/delegate", async connection =>
                {
                    await foreach (Message message in connection.ReadAllAsync())
                    {
                        release.Task.Wait(LoopHost.Patience, CancellationToken.None);
                        connection.Send(message.Text + Place());
                    }
                }).WithOptions(options => options.HandlerScheduling = HandlerScheduling.ThreadPool);
                app.MapDuologue<EchoHandler>("/echo");
            },
            builder => builder.Services.AddSingleton(release),
            _ => { });
        await using Connection blocked = await ConnectAsync(host, "/blocking");
        await using Connection pulling = await ConnectAsync(host, "/delegate");
        await using Connection other = await ConnectAsync(host, "/echo");
        blocked.Send("first");
        blocked.Send("second");
        pulling.Send("pulled");

        // The loop's other connections go on, and control frames are answered behind the handlers that stand.
        for (long until = Environment.TickCount64 + 500; Environment.TickCount64 < until;)
        {
            other.Send("still here");
            Assert.Equal("still here", (await other.ReceiveAsync(Token).AsTask().WaitAsync(LoopHost.Patience, Token)).Text);
            await blocked.PingAsync(Token).AsTask().WaitAsync(LoopHost.Patience, Token);
            await pulling.PingAsync(Token).AsTask().WaitAsync(LoopHost.Patience, Token);

            // Below the limit of control frames.
            await Task.Delay(20, Token);
        }

        release.SetResult();

        // Not the loop's thread: nothing for its watchdog to see.
        Assert.Equal("first on the pool", (await blocked.ReceiveAsync(Token)).Text);
        Assert.Equal("second on the pool", (await blocked.ReceiveAsync(Token)).Text);
        Assert.Equal("pulled on the pool", (await pulling.ReceiveAsync(Token)).Text);
        Assert.True((await blocked.CloseAsync(1000, "")).WasClean);
    }

    private static string Place() => Thread.CurrentThread.IsThreadPoolThread ? " on the pool" : " elsewhere";

    private static async Task<Connection> ConnectAsync(LoopHost host, string path) =>
        await Connection.ConnectAsync(host.WebSocketUrl(path), new ConnectOptions(), Token);

    private sealed class Blocking(TaskCompletionSource release) : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            release.Task.Wait(LoopHost.Patience);
            connection.Send(message.Text + Place());
            return ValueTask.CompletedTask;
        }
    }
}
