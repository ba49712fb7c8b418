using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore.Tests.Pubsub;

/// <summary>A broker says that messages of whatever topic may have been missed: who subscribes by a pattern has no log to read them from.</summary>
public class MissedTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Whoever_subscribes_by_a_pattern_is_told_that_messages_may_have_been_missed()
    {
        var broker = new SilentBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System));
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                app.MapDuologue("/", Talks.Idle);
                app.MapTopics("/topics/{**name}");
            },
            _ => { },
            builder => builder.Services.AddSingleton<Broker>(broker));
        var told = new List<TopicResetEventArgs>();
        host.Topics.Reset += (_, reset) => told.Add(reset);

        using ClientWebSocket plain = await host.ConnectAsync("/");
        Connection connection = Assert.Single(host.Connections);
        Assert.True(connection.Subscribe("a/*"));
        Assert.True(connection.Subscribe("b/**"));
        Assert.True(connection.Subscribe("c"));
        using ClientWebSocket session = await host.OpenTopicsAsync();
        foreach (string pattern in (string[])["a/*", "*/d"])
        {
            await session.SubscribeAsync(pattern, 1);
            Assert.Equal(["subscribed 1"], await session.ReceiveAnswersAsync(1));
        }

        broker.TellMissed();

        // Their application, of plain connections: they are sent payloads alone.
        Assert.Equal(["a/*", "b/**"], told.Select(reset => reset.Topic).Order(StringComparer.Ordinal));
        Assert.All(told, reset => Assert.Equal((null, connection.Id), (reset.Lost, Assert.Single(reset.Subscribers).Id)));
        string[] frames = [await session.ReceiveTextAsync(), await session.ReceiveTextAsync()];
        Assert.Equal(
            ["""{"type":"items","topic":"*/d","items":[],"reset":true,"lost":null}""", """{"type":"items","topic":"a/*","items":[],"reset":true,"lost":null}"""],
            frames.Order(StringComparer.Ordinal));
        Assert.Equal(3, host.Log.GetSnapshot().Count(record => record.Id.Name == "TopicReset"));
    }
}
