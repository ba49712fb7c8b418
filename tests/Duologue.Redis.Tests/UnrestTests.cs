using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>What befalls a server and the lines to it again and again while five publish and subscribers of every way listen.</summary>
public class UnrestTests(ITestOutputHelper output)
{
    private const int Rounds = 8;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("CLIENT KILL TYPE normal")]
    [InlineData("CLIENT KILL TYPE pubsub")]
    [InlineData("SCRIPT FLUSH")]
    [InlineData("DEBUG SLEEP 0.3")]
    public async Task Nothing_is_missed_doubled_or_reset_behind(string command)
    {
        await using var store = new RedisStore("--appendonly", "no", "--enable-debug-command", "yes");
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await using Node a = await Node.StartAsync(store, duologue: NumberedCrowd.KeepAll);
        await using Node b = await Node.StartAsync(store, duologue: NumberedCrowd.KeepAll);
        using var crowd = new NumberedCrowd("t");
        crowd.Publish(a, a, a, b, b);
        await crowd.SubscribeAsync(a, b);
        for (int round = 0; round < Rounds; round++)
        {
            try
            {
                await admin.GetServers()[0].ExecuteAsync(command.Split(' ')[0], [.. command.Split(' ')[1..]]);
            }
            catch (Exception error) when (error is RedisConnectionException or RedisTimeoutException)
            {
                // It has ended itself, too.
            }

            await crowd.ConfirmAsync(50);
        }

        List<string> log = await crowd.FinishAsync(a);
        output.WriteLine(crowd.Summary);
        Assert.Empty(crowd.Complaints(log));
        Assert.Equal(0, crowd.Resets);
    }

    [Fact]
    public async Task Nothing_is_missed_or_doubled_over_lines_that_are_cut_within_answers()
    {
        await using var store = new RedisStore("--appendonly", "no");
        var random = new Random(20261129);
        await using var line = new Relay(store.Port) { AnswersLast = () => random.Next(10_000, 60_000) };
        await using Node a = await Node.StartAsync(StoreServer.Patiently(line.Address), duologue: NumberedCrowd.KeepAll);
        await using Node b = await Node.StartAsync(store, duologue: NumberedCrowd.KeepAll);
        using var crowd = new NumberedCrowd("t");
        crowd.Publish(a, a, a, a, b);
        await crowd.SubscribeAsync(a, b);
        await Eventually.True(() => line.Cuts >= 10);
        await crowd.ConfirmAsync(50);
        List<string> log = await crowd.FinishAsync(b);
        output.WriteLine(crowd.Summary);
        Assert.Empty(crowd.Complaints(log));
        Assert.Equal(0, crowd.Resets);
        Assert.Equal(crowd.Confirmed + 1, log.Count);
    }

    [Fact]
    public async Task A_line_that_swallows_the_answers_alone_is_given_up()
    {
        await using var store = new RedisStore("--appendonly", "no");
        await using var line = new Relay(store.Port);
        await using Node a = await Node.StartAsync(line.Address, options => options.HeartbeatInterval = TimeSpan.FromMilliseconds(200), NumberedCrowd.KeepAll);
        await using Node b = await Node.StartAsync(store, duologue: NumberedCrowd.KeepAll);
        using var crowd = new NumberedCrowd("t");
        crowd.Publish(a, a, b, b, b);
        await crowd.SubscribeAsync(a, b);
        for (int round = 0; round < 3; round++)
        {
            int opened = line.Opened;
            line.SwallowAnswers();
            await Eventually.True(() => line.Opened > opened && a.Broker.IsConnected);
            await crowd.ConfirmAsync(50);
        }

        List<string> log = await crowd.FinishAsync(a);
        output.WriteLine(crowd.Summary);
        Assert.Empty(crowd.Complaints(log));
        Assert.Equal(0, crowd.Resets);
    }

    [Fact]
    public async Task A_line_that_took_longer_than_a_second_for_the_scripts_took_no_publish_any_more()
    {
        await using var store = new RedisStore("--appendonly", "no");
        await using var line = new Relay(store.Port);
        await using Node node = await Node.StartAsync(StoreServer.Patiently(line.Address));
        line.Delay = TimeSpan.FromSeconds(0.6);
        Assert.Equal(1, (await node.Topics.PublishAsync("t", "before", Token)).Offset);
        line.CutAll();
        Assert.Equal(2, (await node.Topics.PublishAsync("t", "after", Token).AsTask().WaitAsync(Node.Patience, Token)).Offset);
    }

    [Theory]
    [InlineData("")]
    [InlineData("h")]
    [InlineData("l")]
    [InlineData("k")]
    [InlineData("o")]
    public async Task What_is_taken_away_is_told(string key)
    {
        await using var store = new RedisStore("--appendonly", "no");
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await using Node a = await Node.StartAsync(store, duologue: NumberedCrowd.KeepAll);
        await using Node b = await Node.StartAsync(store, duologue: NumberedCrowd.KeepAll);
        using var crowd = new NumberedCrowd("t");
        crowd.Publish(a, a, a, b, b);
        await crowd.SubscribeAsync(a, b);
        for (int round = 0; round < Rounds; round++)
        {
            await (key.Length == 0 ? admin.GetServers()[0].FlushAllDatabasesAsync() : admin.GetDatabase().KeyDeleteAsync("duologue:v3:{t:t}" + key));
            await crowd.ConfirmAsync(50);
        }

        List<string> log = await crowd.FinishAsync(a);
        output.WriteLine(crowd.Summary);
        Assert.Empty(crowd.Complaints(log));
        Assert.True(crowd.Resets > 0);
    }
}
