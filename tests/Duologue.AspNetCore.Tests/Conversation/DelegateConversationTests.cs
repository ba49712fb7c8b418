using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore.Tests.Conversation;

public class DelegateConversationTests
{
    [Fact]
    public async Task The_delegate_converses()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo));
        using ClientWebSocket client = await host.ConnectAsync("/");

        for (int i = 0; i < 100; i++)
        {
            await client.SendTextAsync($"message {i}");
            Assert.Equal($"message {i}", await client.ReceiveTextAsync());
        }

        await client.CloseAsync();
        Assert.Equal(WebSocketCloseStatus.NormalClosure, client.CloseStatus);
    }

    [Fact]
    public async Task The_server_may_speak_first_and_end_it()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", async connection => await connection.SendAsync("unasked")));
        using ClientWebSocket client = await host.ConnectAsync("/");

        Assert.Equal("unasked", await client.ReceiveTextAsync());
        Assert.Equal("close 1000", await client.ReceiveTextAsync());
    }

    [Fact]
    public async Task A_delegate_that_throws_closes_with_1011_and_is_logged()
    {
        var ended = new TaskCompletionSource<CloseInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/fails", async connection =>
        {
            _ = connection.Closed.ContinueWith(closed => ended.SetResult(closed.Result), TaskScheduler.Default);
            await connection.ReceiveAsync();
            throw new InvalidTimeZoneException("a secret of the server");
        }));
        using ClientWebSocket client = await host.ConnectAsync("/fails");

        await client.SendTextAsync("go");

        string close = await client.ReceiveTextAsync();
        Assert.StartsWith("close 1011", close, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", close, StringComparison.Ordinal);
        await client.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", TestContext.Current.CancellationToken);
        Assert.Equal(CloseCause.HandlerFailed, (await ended.Task.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken)).Cause);
        var logged = Assert.Single(host.Log.GetSnapshot(), record => record.Level == LogLevel.Error);
        Assert.Equal("DelegateFailed", logged.Id.Name);
        Assert.IsType<InvalidTimeZoneException>(logged.Exception);
    }

    [Fact]
    public async Task The_line_ends_with_the_conversation_though_the_delegate_lingers()
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", async connection =>
        {
            await connection.CloseAsync();
            await release.Task;
        }));
        await using RawClient client = await RawClient.ConnectAsync(host.Url);
        Assert.Equal(101, (await client.HandshakeAsync("/")).Status);
        byte[] close = new byte[4];
        await client.Stream.ReadExactlyAsync(close, TestContext.Current.CancellationToken);
        Assert.Equal([0x88, 0x02, 0x03, 0xE8], close);

        // The same Close back, masked with zeros: then both are done, and the server ends the TCP connection (RFC 6455 §7.1.1).
        await client.Stream.WriteAsync(new byte[] { 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8 }, TestContext.Current.CancellationToken);
        int more = await client.Stream.ReadAsync(close.AsMemory(), TestContext.Current.CancellationToken).AsTask()
            .WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(0, more);
        release.SetResult();
    }

    [Fact]
    public async Task A_delegate_that_throws_at_once_closes_with_1011()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", _ => throw new InvalidTimeZoneException()));
        using ClientWebSocket client = await host.ConnectAsync("/");

        Assert.StartsWith("close 1011", await client.ReceiveTextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_close_from_elsewhere_is_no_failure_of_a_delegate_that_sends()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", async connection =>
        {
            while (true)
            {
                await connection.SendAsync("tick");
                await Task.Yield();
            }
        }));

        // It answers no Close, so that the delegate learns of it from its own sending, before the connection has ended.
        await using RawClient client = await RawClient.ConnectAsync(host.Url);
        Assert.Equal(101, (await client.HandshakeAsync("/")).Status);
        Task reading = client.Stream.CopyToAsync(Stream.Null, TestContext.Current.CancellationToken);
        await Eventually.True(() => host.Connections.Count == 1);
        Assert.True(host.Connections.Close(host.Connections.Single().Id, 1001, "Off you go."));
        await Eventually.True(() => host.Log.GetSnapshot().Any(record => record.Id.Name is "DelegateFailed" or "DelegateEndedWithConnection"));
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Id.Name == "DelegateFailed");
        host.Connections.Single().Abort();
        await Assert.ThrowsAsync<IOException>(() => reading);
    }

    [Fact]
    public async Task A_cut_line_is_no_failure_of_the_delegate()
    {
        var ended = new TaskCompletionSource<CloseInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", async connection =>
        {
            _ = connection.Closed.ContinueWith(closed => ended.SetResult(closed.Result), TaskScheduler.Default);
            await Talks.Echo(connection);
        }));
        ClientWebSocket client = await host.ConnectAsync("/");
        await client.SendTextAsync("hello");
        await client.ReceiveTextAsync();

        client.Abort();
        client.Dispose();

        Assert.Equal(CloseCause.ConnectionLost, (await ended.Task.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken)).Cause);
        await Eventually.True(() => host.Log.GetSnapshot().Any(record => record.Id.Name == "DelegateEndedWithConnection"));
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Level >= LogLevel.Error);
    }

    [Fact]
    public async Task A_delegate_that_ignores_its_messages_hears_of_the_close_all_the_same()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", async connection => await connection.Closed));
        using ClientWebSocket client = await host.ConnectAsync("/");

        await client.SendTextAsync("nobody reads this");
        await client.CloseAsync();

        await Eventually.True(() => host.Connections.Count == 0);
    }
}
