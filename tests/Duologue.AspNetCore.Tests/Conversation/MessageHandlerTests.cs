using System.Collections.Concurrent;
using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore.Tests.Conversation;

public class MessageHandlerTests
{
    [Fact]
    public async Task A_handler_class_hears_of_opening_messages_and_close_in_order()
    {
        var diary = new Diary();
        await using TestHost host = await StartAsync<Recorder>(diary);
        using ClientWebSocket client = await host.ConnectAsync("/");

        Assert.Equal("welcome", await client.ReceiveTextAsync());
        await client.SendTextAsync("one");
        Assert.Equal("ONE", await client.ReceiveTextAsync());
        await client.SendTextAsync("two");
        Assert.Equal("TWO", await client.ReceiveTextAsync());
        await client.CloseAsync();

        await Eventually.True(() => diary.Lines.Count == 4);
        Assert.Equal(["open", "one", "two", "close 1000 PeerClosed"], diary.Lines);
    }

    [Fact]
    public async Task There_is_one_instance_per_endpoint_and_it_is_disposed_with_the_application()
    {
        var diary = new Diary();
        TestHost host = await StartAsync<Recorder>(diary);
        using ClientWebSocket first = await host.ConnectAsync("/");
        using ClientWebSocket second = await host.ConnectAsync("/");
        await first.ReceiveTextAsync();
        await second.ReceiveTextAsync();

        first.Abort();
        second.Abort();
        await host.DisposeAsync();

        Assert.Equal(1, diary.Instances);
        Assert.Equal(1, diary.Disposed);
    }

    [Theory]
    [InlineData("open")]
    [InlineData("message")]
    public async Task A_handler_that_throws_closes_its_own_connection_only(string where)
    {
        var diary = new Diary { FailAt = where };
        await using TestHost host = await StartAsync<Recorder>(diary);
        diary.FailAt = "";
        using ClientWebSocket other = await host.ConnectAsync("/");
        await other.ReceiveTextAsync();

        diary.FailAt = where;
        using ClientWebSocket victim = await host.ConnectAsync("/");
        if (where == "message")
        {
            Assert.Equal("welcome", await victim.ReceiveTextAsync());
            await victim.SendTextAsync("go");
        }

        Assert.StartsWith("close 1011", await victim.ReceiveTextAsync(), StringComparison.Ordinal);
        diary.FailAt = "";
        await other.SendTextAsync("still here");
        Assert.Equal("STILL HERE", await other.ReceiveTextAsync());
        Assert.Contains(host.Log.GetSnapshot(), record => record is { Level: LogLevel.Error, Exception: InvalidTimeZoneException });
    }

    [Fact]
    public async Task A_handler_hears_nothing_of_a_connection_that_did_not_come_about()
    {
        var diary = new Diary();
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<Recorder>("/"), _ => { }, builder =>
        {
            builder.Services.AddSingleton(diary);
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxConcurrentUpgradedConnections = 1);
        });
        using ClientWebSocket client = await host.ConnectAsync("/");
        Assert.Equal("welcome", await client.ReceiveTextAsync());

        // Kestrel refuses after the connection was made and registered.
        Assert.Equal(503, (await host.HandshakeAsync("/")).Status);
        await Eventually.True(() => host.Connections.Count == 1);
        await client.CloseAsync();

        await Eventually.True(() => diary.Lines.Count >= 2);
        Assert.Equal(["open", "close 1000 PeerClosed"], diary.Lines);
    }

    [Fact]
    public async Task A_scope_of_the_handler_outlives_the_request()
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue<Scoping>("/"),
            _ => { },
            builder => builder.Services.AddScoped<Scoped>());
        using ClientWebSocket client = await host.ConnectAsync("/");

        for (int i = 1; i <= 3; i++)
        {
            await client.SendTextAsync("use it");
            Assert.Equal($"used {i}", await client.ReceiveTextAsync());
        }

        await client.CloseAsync();
        await Eventually.True(() => Scoped.DisposedCount == 1);
    }

    private static Task<TestHost> StartAsync<THandler>(Diary diary)
        where THandler : MessageHandler =>
        TestHost.StartAsync(app => app.MapDuologue<THandler>("/"), _ => { }, builder => builder.Services.AddSingleton(diary));

    private sealed class Diary
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public int Instances;
        public int Disposed;

        public volatile string FailAt = "";
    }

    private sealed class Recorder : MessageHandler, IDisposable
    {
        private readonly Diary _diary;

        public Recorder(Diary diary)
        {
            _diary = diary;
            Interlocked.Increment(ref diary.Instances);
        }

        public override async ValueTask OnOpenAsync(Connection connection)
        {
            FailAt("open");
            _diary.Lines.Enqueue("open");
            await connection.SendAsync("welcome");
        }

        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            FailAt("message");
            _diary.Lines.Enqueue(message.Text);
            connection.Send(message.Text.ToUpperInvariant());
            return ValueTask.CompletedTask;
        }

        public override ValueTask OnCloseAsync(Connection connection, CloseInfo info)
        {
            _diary.Lines.Enqueue($"close {info.Code} {info.Cause}");
            return ValueTask.CompletedTask;
        }

        public void Dispose() => Interlocked.Increment(ref _diary.Disposed);

        private void FailAt(string where)
        {
            if (_diary.FailAt == where)
            {
                throw new InvalidTimeZoneException(where);
            }
        }
    }

    private sealed class Scoped : IDisposable
    {
        public static int DisposedCount;

        private int _uses;

        public int Use() => ++_uses;

        public void Dispose() => Interlocked.Increment(ref DisposedCount);
    }

    private sealed class Scoping(IServiceScopeFactory scopes) : MessageHandler
    {
        public override ValueTask OnOpenAsync(Connection connection)
        {
            connection.Items[typeof(Scoping)] = scopes.CreateAsyncScope();
            return ValueTask.CompletedTask;
        }

        public override async ValueTask OnMessageAsync(Connection connection, Message message)
        {
            await Task.Yield();
            var scope = (AsyncServiceScope)connection.Items[typeof(Scoping)]!;
            connection.Send($"used {scope.ServiceProvider.GetRequiredService<Scoped>().Use()}");
        }

        public override async ValueTask OnCloseAsync(Connection connection, CloseInfo info) =>
            await ((AsyncServiceScope)connection.Items[typeof(Scoping)]!).DisposeAsync();
    }
}
