using System.Diagnostics.Metrics;
using System.Net.WebSockets;
using System.Text.Json;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Duologue.AspNetCore.Tests.Conversation;

/// <summary>A socket of many topics over a broker that answers each publish when the test says so.</summary>
public class OwedAnswersTests
{
    [Fact]
    public async Task Publishes_are_taken_before_those_before_have_an_answer_and_answered_in_their_order()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        await PublishAsync(socket, 3);
        await broker.HoldsAsync(3);

        broker.Answer(2);
        broker.Answer(1);
        broker.Answer(0);
        Assert.Equal(["published 0", "published 1", "published 2"], await socket.ReceiveAnswersAsync(3));
        TopicPage page = await host.Topics.ReadAsync("t", TopicStart.Oldest, 10, TestContext.Current.CancellationToken);
        Assert.Equal(3, page.Messages.Count);

        // Nothing is owed: what comes now begins anew.
        await PublishAsync(socket, 1);
        await broker.HoldsAsync(4);
        broker.Answer(3);
        Assert.Equal(["published 0"], await socket.ReceiveAnswersAsync(1));
    }

    [Fact]
    public async Task What_is_asked_for_behind_publishes_is_done_and_answered_behind_them()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        await PublishAsync(socket, 2);
        await socket.PublishAsync("a/*", 2);
        await socket.SendTextAsync("""{"type":"ping","ref":3}""");
        await socket.SubscribeAsync("t", 4);
        await broker.HoldsAsync(2);

        broker.Answer(1);
        broker.Answer(0);
        Assert.Equal(["published 0", "published 1", "error 2", "pong 3", "subscribed 4"], await socket.ReceiveAnswersAsync(5));
        using JsonDocument page = JsonDocument.Parse(await socket.ReceiveTextAsync());
        Assert.Equal(0, page.RootElement.GetProperty("items").GetArrayLength());
        TopicPage now = await host.Topics.ReadAsync("t", TopicStart.Now, 1, TestContext.Current.CancellationToken);
        Assert.Equal((2, now.Next.ToString()), (now.Next.Offset, page.RootElement.GetProperty("next").GetString()));
    }

    [Fact]
    public async Task Who_subscribes_behind_his_own_publishes_begins_behind_them()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        var connection = (WebSocketConnection)Assert.Single(host.Connections);
        await PublishAsync(socket, 2);
        await broker.HoldsAsync(2);
        await Eventually.True(() => !connection.IsHandling);
        await socket.SubscribeAsync("t", 2);
        await Eventually.True(() => connection.IsHandling);

        broker.Answer(0);
        broker.Answer(1);
        Assert.Equal(["published 0", "published 1", "subscribed 2"], await socket.ReceiveAnswersAsync(3));
        using JsonDocument page = JsonDocument.Parse(await socket.ReceiveTextAsync());
        Assert.Equal(0, page.RootElement.GetProperty("items").GetArrayLength());
        TopicPage now = await host.Topics.ReadAsync("t", TopicStart.Now, 1, TestContext.Current.CancellationToken);
        Assert.Equal(now.Next.ToString(), page.RootElement.GetProperty("next").GetString());
    }

    [Fact]
    public async Task Who_unsubscribes_behind_his_own_publishes_has_them_before()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        await socket.SubscribeAsync("t", 0);
        Assert.Equal(["subscribed 0"], await socket.ReceiveAnswersAsync(1));
        Assert.Contains("items", await socket.ReceiveTextAsync(), StringComparison.Ordinal);
        var connection = (WebSocketConnection)Assert.Single(host.Connections);
        await socket.PublishAsync("t", 1);
        await broker.HoldsAsync(1);
        await Eventually.True(() => !connection.IsHandling);
        await socket.SendTextAsync("""{"type":"unsubscribe","topic":"t","ref":2}""");
        await Eventually.True(() => connection.IsHandling);

        broker.Answer(0);
        string[] received = [await socket.ReceiveTextAsync(), await socket.ReceiveTextAsync(), await socket.ReceiveTextAsync()];
        Assert.Single(received[..2], text => text.Contains("items", StringComparison.Ordinal));
        Assert.Contains("unsubscribed", received[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_peers_close_waits_for_what_is_owed()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        var connection = (WebSocketConnection)Assert.Single(host.Connections);
        await PublishAsync(socket, 2);
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "enough", TestContext.Current.CancellationToken);
        await Eventually.True(() => connection.ReceivedClose is not null);
        await broker.HoldsAsync(2);

        broker.Answer(0);
        broker.Answer(1);
        Assert.Equal(["published 0", "published 1"], await socket.ReceiveAnswersAsync(2));
        Assert.Equal("close 1000 enough", await socket.ReceiveTextAsync());
    }

    [Fact]
    public async Task No_more_are_owed_than_may_be()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        var connection = (WebSocketConnection)Assert.Single(host.Connections);
        await PublishAsync(socket, OwedAnswers.Most + 1);
        await Eventually.True(() => broker.Count >= OwedAnswers.Most && connection.IsHandling);
        Assert.Equal(OwedAnswers.Most, broker.Count);

        for (int i = 0; i <= OwedAnswers.Most; i++)
        {
            await Eventually.True(() => broker.Count > i);
            broker.Answer(i);
        }

        Assert.Equal(Enumerable.Range(0, OwedAnswers.Most + 1).Select(i => $"published {i}"), await socket.ReceiveAnswersAsync(OwedAnswers.Most + 1));
    }

    [Fact]
    public async Task Of_a_broker_that_does_not_say_that_it_keeps_the_order_each_publish_waits_for_the_one_before()
    {
        var broker = new HeldBroker(takesAhead: false);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        await PublishAsync(socket, 3);
        for (int i = 0; i < 3; i++)
        {
            await broker.HoldsAsync(i + 1);
            broker.Answer(i);
        }

        Assert.Equal(["published 0", "published 1", "published 2"], await socket.ReceiveAnswersAsync(3));
        Assert.Equal(1, broker.MostAtATime);
    }

    [Fact]
    public async Task What_a_broker_throws_closes_the_connection_as_what_a_handler_throws()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        await PublishAsync(socket, 2);
        await broker.HoldsAsync(2);

        broker.Fail(1, new BrokerUnavailableException("It is away.", isUnknown: true, null));
        broker.Fail(0, new InvalidOperationException("It is broken."));
        Assert.Equal("close 1011 The handler failed.", await socket.ReceiveTextAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Behind_a_publish_that_was_not_done_none_is_done_before_its_repeat(bool takesAhead)
    {
        var broker = new HeldBroker(takesAhead);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        using ClientWebSocket other = await host.OpenTopicsAsync();
        await socket.PublishAsync("t", 0, key: "a");
        await broker.HoldsAsync(1);
        broker.Fail(0, new BrokerUnavailableException("It is away.", isUnknown: false, null));
        Assert.Equal(["error 0"], await socket.ReceiveAnswersAsync(1));

        await socket.PublishAsync("t", 1, key: "b", behind: "a");
        await socket.PublishAsync("t", 2, behind: "b");
        Assert.Equal(["error 1", "error 2"], await socket.ReceiveAnswersAsync(2));
        Assert.Equal(1, broker.Count);

        // What is said on one socket is nothing to another.
        await other.PublishAsync("t", 3, behind: "a");
        await broker.HoldsAsync(2);
        broker.Answer(1);
        Assert.Equal(["published 3"], await other.ReceiveAnswersAsync(1));

        await socket.PublishAsync("t", 4, key: "a");
        await broker.HoldsAsync(3);
        broker.Answer(2);
        await socket.PublishAsync("t", 5, behind: "a");
        await broker.HoldsAsync(4);
        broker.Answer(3);
        Assert.Equal(["published 4", "published 5"], await socket.ReceiveAnswersAsync(2));
    }

    [Fact]
    public async Task Publishes_of_a_socket_that_were_refused_were_not_counted()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using var refusals = new MetricCollector<long>(host.Services.GetRequiredService<IMeterFactory>(), ServerMetrics.MeterName, "duologue.pubsub.publish.refusals");
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        await socket.SendTextAsync("""{"type":"publish","topic":"t","data":"x","key":"a","ref":0}""");
        await broker.HoldsAsync(1);
        broker.Fail(0, new BrokerUnavailableException("It is away.", isUnknown: false, null));
        Assert.Equal(["error 0"], await socket.ReceiveAnswersAsync(1));
        await socket.SendTextAsync("""{"type":"publish","topic":"t","data":"x","key":"b","behind":"a","ref":1}""");
        await socket.SendTextAsync("""{"type":"publish","topic":"t","key":"c","ref":2}""");
        await socket.SendTextAsync("""{"type":"publish","topic":"*","data":"x","ref":3}""");
        Assert.Equal(["error 1", "error 2", "error 3"], await socket.ReceiveAnswersAsync(3));

        // This one the broker had already, and gives up for the one before.
        await socket.SendTextAsync("""{"type":"publish","topic":"t","data":"x","ref":4}""");
        await broker.HoldsAsync(2);
        broker.Fail(1, new BrokerUnavailableException(PublishTurn.Refusal, isUnknown: false, null));
        Assert.Equal(["error 4"], await socket.ReceiveAnswersAsync(1));

        Assert.Equal(["unavailable", "behind", "bad_request", "bad_topic", "behind"], refusals.GetMeasurementSnapshot().Select(measured => measured.Tags["duologue.publish.refusal"]));
        Assert.Equal(2, broker.Count);
    }

    [Fact]
    public async Task Behind_a_publish_that_is_refused_for_good_the_next_overtook_the_one_before_both()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        await socket.PublishAsync("t", 0, key: "a");
        await socket.SendTextAsync("""{"type":"publish","topic":"t","key":"b","behind":"a","ref":1}""");
        await socket.PublishAsync("t", 2, behind: "b");
        await broker.HoldsAsync(1);
        broker.Fail(0, new BrokerUnavailableException("It is away.", isUnknown: false, null));
        Assert.Equal(["error 0", "error 1", "error 2"], await socket.ReceiveAnswersAsync(3));
        Assert.Equal(1, broker.Count);
    }

    [Fact]
    public async Task Each_publish_that_is_taken_ahead_knows_the_one_that_it_is_to_come_behind()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        await socket.PublishAsync("t", 0, key: "a");
        await socket.PublishAsync("t", 1, key: "b", behind: "a");
        await socket.PublishAsync("t", 2, key: "c");
        await broker.HoldsAsync(3);
        Assert.All(broker.Turns, turn => Assert.False(turn!.IsBroken));

        broker.Turns[0]!.NotDone();
        Assert.Equal([false, true, false], broker.Turns.Select(turn => turn!.IsBroken));
        broker.Turns[1]!.Done();
        Assert.False(broker.Turns[1]!.IsBroken);
        for (int i = 0; i < 3; i++)
        {
            broker.Answer(i);
        }

        Assert.Equal(["published 0", "published 1", "published 2"], await socket.ReceiveAnswersAsync(3));
    }

    [Fact]
    public async Task What_is_to_come_behind_one_of_two_publishes_with_the_same_key_comes_behind_the_later()
    {
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await StartAsync(broker);
        using ClientWebSocket socket = await host.OpenTopicsAsync();
        await socket.PublishAsync("t", 0, key: "a");
        await socket.PublishAsync("t", 1, key: "a");
        await socket.PublishAsync("t", 2, behind: "a");
        await broker.HoldsAsync(3);

        broker.Turns[0]!.NotDone();
        Assert.False(broker.Turns[2]!.IsBroken);
        broker.Turns[1]!.NotDone();
        Assert.True(broker.Turns[2]!.IsBroken);
    }

    private static Task<TestHost> StartAsync(Broker broker) => TestHost.StartAsync(
        app => app.MapTopics("/topics/{**name}").WithOptions(topics => topics.AllowPublishing = true),
        options => options.CloseTimeout = TimeSpan.FromHours(1),
        builder => builder.Services.AddSingleton(broker));

    private static async Task PublishAsync(WebSocket socket, int count)
    {
        for (int i = 0; i < count; i++)
        {
            await socket.PublishAsync("t", i);
        }
    }
}
