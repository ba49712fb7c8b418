using System.Globalization;
using System.Reflection;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Testing;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>Each event that the broker logs is made to happen: those of forwards, of a node that does not keep up, of a server that has become a replica, and of a refused login by the tests of these, the others here.</summary>
public class RedisLogTests
{
    private static readonly string[] Elsewhere = ["RedisForwardFailed", "RedisNotificationsDropped", "RedisLoginRefused", "RedisPollEndNotAsked", "RedisReplicaLeft"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Every_event_is_made_to_happen_by_a_test()
    {
        IEnumerable<string?> all = typeof(Log).GetMethods().Select(method => method.GetCustomAttribute<LoggerMessageAttribute>()?.EventName).Where(name => name is not null);
        IEnumerable<string> here = typeof(RedisLogTests).GetMethods().SelectMany(method => method.GetCustomAttributes<ProvokesAttribute>()).SelectMany(provokes => provokes.Names);
        Assert.Equal(all.Order(StringComparer.Ordinal), here.Concat(Elsewhere).Order(StringComparer.Ordinal));
    }

    [Fact]
    [Provokes("RedisRestored", "RedisInterrupted", "RedisListenerFailed")]
    public async Task A_link_that_is_cut_and_mended_and_a_listener_that_throws()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using var line = new Relay(store.Port);
        await using WebApplication app = Build(line.Address + ",asyncTimeout=120000,connectTimeout=60000", _ => { });
        RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
        broker.Interrupted += (_, _) => throw new InvalidOperationException("The application's.");
        await LoggedAsync(app, "RedisRestored");
        line.Break();
        await LoggedAsync(app, "RedisInterrupted");
        await LoggedAsync(app, "RedisListenerFailed");
        line.Mend();
        await Eventually.True(() => broker.IsConnected);
    }

    [Fact]
    [Provokes("RedisNotificationsMissed")]
    public async Task What_was_let_go_of_more_topics_than_are_remembered()
    {
        await using WebApplication app = Build(_ => throw new TimeoutException("Nobody is there."));
        var gap = new InboxGap();
        for (int i = 0; i <= Inbox.MaxGapTopics; i++)
        {
            gap.Add(new AppendedMessage($"t{i}", new TopicMessage(new TopicPosition(1, 1), MessageType.Text, default)));
        }

        app.Services.GetRequiredService<RedisBroker>().ReadInstead(gap);
        await LoggedAsync(app, "RedisNotificationsMissed");
    }

    [Fact]
    public async Task A_log_sink_that_throws_ended_the_link_and_the_lease()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using var line = new Relay(store.Port);
        using var full = new FullDisk();
        await using WebApplication app = Build(services =>
        {
            services.AddLogging(logging => logging.AddProvider(full));
            services.UseRedis(line.Address + ",asyncTimeout=120000,connectTimeout=60000");
        });
        RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
        await Eventually.True(() => broker.IsConnected && broker.Registry.IsRegistered);
        int before = full.Refused;
        line.Break();
        await Eventually.True(() => !broker.IsConnected && full.Refused > before);
        line.Mend();
        await Eventually.True(() => broker.IsConnected);
        await broker.Registry.RenewAsync(Token);
        Assert.True(broker.Registry.IsRegistered);
    }

    [Fact]
    [Provokes("RedisConnectFailed")]
    public async Task A_connection_that_cannot_be_made()
    {
        await using WebApplication app = Build(_ => throw new TimeoutException("Nobody is there."));
        await LoggedAsync(app, "RedisConnectFailed");
        FakeLogRecord logged = app.Services.GetFakeLogCollector().GetSnapshot().First(record => record.Id.Name == "RedisConnectFailed");
        Assert.EndsWith(": Nobody is there.", logged.Message, StringComparison.Ordinal);
        Assert.NotNull(logged.Exception);
    }

    [Fact]
    public async Task Each_try_to_connect_logged_a_stack_trace()
    {
        await using WebApplication app = Build(
            services => services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Information)).UseRedis(options => options.ConnectionFactory = _ => throw new TimeoutException("Nobody is there.")));
        await LoggedAsync(app, "RedisConnectFailed");
        FakeLogRecord logged = app.Services.GetFakeLogCollector().GetSnapshot().First(record => record.Id.Name == "RedisConnectFailed");
        Assert.Null(logged.Exception);
        Assert.EndsWith(": Nobody is there.", logged.Message, StringComparison.Ordinal);
    }

    // It said neither where nor why: both stood in the third exception of its trace.
    [Fact]
    public async Task A_connection_that_cannot_be_made_is_told_with_where_to_and_why()
    {
        await using WebApplication app = Build("localhost:1,127.0.0.1:1,password=secret", _ => { });
        await LoggedAsync(app, "RedisConnectFailed");
        string told = app.Services.GetFakeLogCollector().GetSnapshot().First(record => record.Id.Name == "RedisConnectFailed").Message;
        Assert.Contains("(localhost:1, 127.0.0.1:1)", told, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", told, StringComparison.Ordinal);
        Assert.False(told.TrimEnd().EndsWith(':'), told);
    }

    [Fact]
    [Provokes("RedisNotificationUnreadable", "RedisOtherLayout")]
    public async Task What_is_told_on_the_channel_by_a_stranger()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer stranger = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        await using WebApplication app = Build(store.PatientAddress, _ => { });
        RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
        await Eventually.True(() => broker.IsConnected);
        await stranger.GetSubscriber().PublishAsync(new TopicScripts("duologue:").Channel, "what is this?");
        await LoggedAsync(app, "RedisNotificationUnreadable");
        await stranger.GetSubscriber().PublishAsync(new TopicScripts("duologue:").Channel, "! other start 1 99");
        await LoggedAsync(app, "RedisOtherLayout");
    }

    // Neither was anything logged, nor did it say why.
    [Fact]
    [Provokes("RedisPublishesRefused")]
    public async Task A_server_that_takes_no_publish()
    {
        await using var store = new RedisStore("--appendonly", "no", "--maxmemory-policy", "noeviction");
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await using WebApplication app = Build(store.PatientAddress, _ => { });
        RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
        await Eventually.True(() => broker.IsConnected);
        for (int round = 1; round <= 2; round++)
        {
            await admin.GetServers()[0].ConfigSetAsync("maxmemory", "1");
            for (int i = 0; i < 3; i++)
            {
                BrokerUnavailableException refused = await Assert.ThrowsAsync<BrokerUnavailableException>(() => AppendAsync());
                Assert.Contains("OOM", refused.Message, StringComparison.Ordinal);
            }

            FakeLogRecord[] told = [.. app.Services.GetFakeLogCollector().GetSnapshot().Where(record => record.Id.Name == "RedisPublishesRefused")];
            Assert.Equal(round, told.Length);
            Assert.Contains("OOM", told[^1].Message, StringComparison.Ordinal);
            await admin.GetServers()[0].ConfigSetAsync("maxmemory", "0");
            await AppendAsync();
        }

        Task<TopicPosition> AppendAsync() => broker.AppendAsync("t", TopicHub.JsonMessage([(byte)'1']), new TopicHistory(), Token).AsTask();
    }

    [Fact]
    public async Task A_stranger_on_the_channel_filled_the_log()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer stranger = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        await using WebApplication app = Build(services => services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Information)).UseRedis(store.PatientAddress));
        RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
        await Eventually.True(() => broker.IsConnected);
        for (int i = 0; i < 50; i++)
        {
            await stranger.GetSubscriber().PublishAsync(new TopicScripts("duologue:").Channel, "what is this?");
        }

        // It is heard behind them.
        await broker.HearAllAsync().WaitAsync(Node.Patience, Token);
        Assert.InRange(app.Services.GetFakeLogCollector().GetSnapshot().Count(record => record.Id.Name == "RedisNotificationUnreadable"), 10, 49);
    }

    [Fact]
    public async Task Who_subscribes_elsewhere_and_could_not_be_read_was_told_with_each_heartbeat()
    {
        await using var store = new RedisStore("--appendonly", "no");
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress + ",allowAdmin=true");
        await admin.GetDatabase().ExecuteAsync("ACL", "SETUSER", "node", "on", ">secret", "~*", "&*", "+@all", "-hscan");
        await using WebApplication app = Build(store.PatientAddress + ",user=node,password=secret", options => options.HeartbeatInterval = TimeSpan.FromSeconds(0.2));
        _ = app.Services.GetRequiredService<RedisBroker>();
        await using WebApplication other = Build(store.PatientAddress, options => options.HeartbeatInterval = TimeSpan.FromSeconds(0.2));
        _ = other.Services.GetRequiredService<RedisBroker>();
        await Eventually.True(() => ((string)admin.GetDatabase().Execute("INFO", "commandstats")!).Split('\n').Any(static line => line.StartsWith("cmdstat_hscan:", StringComparison.Ordinal) && int.Parse(line.Split("rejected_calls=")[1].Split(',')[0], CultureInfo.InvariantCulture) >= 5));
        Assert.Single(app.Services.GetFakeLogCollector().GetSnapshot(), record => record.Id.Name == "RedisPresenceNotRead");
    }

    [Fact]
    [Provokes("RedisLinkGivenUp")]
    public async Task A_link_over_which_nothing_is_heard_any_more()
    {
        await using var store = new RedisStore();
        await using var proxy = new Relay(store.Port);
        await using WebApplication app = Build(StoreServer.Patiently(proxy.Address), options => options.HeartbeatInterval = TimeSpan.FromSeconds(0.1));
        RedisBroker broker = app.Services.GetRequiredService<RedisBroker>();
        await Eventually.True(() => broker.IsConnected);
        proxy.Swallow();
        await LoggedAsync(app, "RedisLinkGivenUp");
        proxy.Mend();
    }

    // It logged a stack trace, where the server's words say it.
    [Theory]
    [InlineData(LogLevel.Debug)]
    [InlineData(LogLevel.Information)]
    [Provokes("RedisHeartbeatRefused", "RedisCloseFailed")]
    public async Task A_heartbeat_that_the_server_refuses_and_a_connection_that_cannot_be_left(LogLevel level)
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer inner = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        RedisServerException refused = await RefusalOfAsync(inner);
        IConnectionMultiplexer link = Interceptor.Create<IConnectionMultiplexer>(inner, (method, _) => method.Name switch
        {
            nameof(IConnectionMultiplexer.GetSubscriber) => Interceptor.Create(inner.GetSubscriber(), (call, _) =>
                call.Name == nameof(ISubscriber.PublishAsync) ? Task.FromException<long>(refused) : null),
            "remove_ConnectionFailed" => throw new InvalidOperationException("Not now."),
            _ => null,
        });
        FakeLogCollector log;
        await using (WebApplication app = Build(services => services.AddLogging(logging => logging.SetMinimumLevel(level))
            .UseRedis(options => (options.ConnectionFactory, options.HeartbeatInterval) = (_ => Task.FromResult(link), TimeSpan.FromSeconds(0.5)))))
        {
            log = app.Services.GetFakeLogCollector();
            await LoggedAsync(app, "RedisHeartbeatRefused");
        }

        FakeLogRecord beat = log.GetSnapshot().First(record => record.Id.Name == "RedisHeartbeatRefused");
        Assert.EndsWith(": " + refused.Message, beat.Message, StringComparison.Ordinal);
        Assert.Equal(level == LogLevel.Debug, beat.Exception is not null);
        Assert.Equal(level == LogLevel.Debug, log.GetSnapshot().Any(record => record.Id.Name == "RedisCloseFailed"));
    }

    [Fact]
    [Provokes("RedisNodeCame", "RedisNodeWent")]
    public async Task Another_node_that_comes_and_goes()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        await using WebApplication app = Build(store.PatientAddress, _ => { });
        NodeRegistry other = RegistryOf(link, "other");
        await other.RenewAsync(Token);
        await LoggedAsync(app, "RedisNodeCame");
        await other.LeaveAsync(Token);
        await LoggedAsync(app, "RedisNodeWent");
    }

    [Fact]
    [Provokes("RedisNodeNameTaken")]
    public async Task Another_node_of_the_same_name()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer link = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        await RegistryOf(link, "same").RenewAsync(Token);
        await using WebApplication app = Build(store.PatientAddress, options => (options.NodeName, options.HeartbeatInterval) = ("same", TimeSpan.FromSeconds(0.1)));
        await LoggedAsync(app, "RedisNodeNameTaken");
    }

    [Theory]
    [InlineData(nameof(IDatabase.ExecuteAsync), "EVAL", "RedisLeaseNotRenewed")]
    [InlineData(nameof(IDatabase.HashSetAsync), null, "RedisPresenceNotWritten")]
    [InlineData(nameof(IDatabase.HashGetAsync), null, "RedisPresenceNotRead")]
    [Provokes("RedisLeaseNotRenewed", "RedisPresenceNotWritten", "RedisPresenceNotRead")]
    public async Task A_call_that_the_server_refuses(string call, string? command, string name)
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ConnectionMultiplexer inner = await ConnectionMultiplexer.ConnectAsync(store.PatientAddress);
        RedisServerException refused = await RefusalOfAsync(inner);
        IConnectionMultiplexer link = Interceptor.Connection(inner, (_, _) => null, (method, arguments) =>
            method.Name != call || (command is not null && !command.Equals(arguments[0])) ? null
            : method.ReturnType == typeof(Task<RedisResult>) ? Task.FromException<RedisResult>(refused)
            : method.ReturnType == typeof(Task<RedisValue>) ? Task.FromException<RedisValue>(refused)
            : method.ReturnType == typeof(Task<bool>) ? Task.FromException<bool>(refused)
            : Task.FromException(refused));
        await using WebApplication other = Build(store.PatientAddress, _ => { });
        other.Services.GetRequiredService<RedisBroker>().Announce("room", new TopicSubscriber("somebody", null), joined: true);
        await using WebApplication app = Build(_ => Task.FromResult(link));
        app.Services.GetRequiredService<RedisBroker>().Announce("room", new TopicSubscriber("another", null), joined: true);
        await LoggedAsync(app, name);
    }

    // As the client library makes it.
    private static Task<RedisServerException> RefusalOfAsync(ConnectionMultiplexer link) => Assert.ThrowsAsync<RedisServerException>(() => link.GetDatabase().ExecuteAsync("NO-SUCH-COMMAND"));

    private static Task LoggedAsync(WebApplication app, string name)
    {
        _ = app.Services.GetRequiredService<RedisBroker>();
        return Eventually.True(() => app.Services.GetFakeLogCollector().GetSnapshot().Any(record => record.Id.Name == name));
    }

    private static WebApplication Build(Func<IServiceProvider, Task<IConnectionMultiplexer>> factory) =>
        Build(services => services.UseRedis(options => (options.ConnectionFactory, options.HeartbeatInterval) = (factory, TimeSpan.FromSeconds(0.5))));

    private static WebApplication Build(string configuration, Action<RedisBrokerOptions> configure) => Build(services => services.UseRedis(configuration, configure));

    private static WebApplication Build(Action<IServiceCollection> use)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddFakeLogging().SetMinimumLevel(LogLevel.Debug);
        use(builder.Services.AddDuologue());
        return builder.Build();
    }

    private static NodeRegistry RegistryOf(ConnectionMultiplexer link, string name) => new(
        new RedisBrokerOptions { NodeName = name, HeartbeatInterval = TimeSpan.FromSeconds(60) },
        Guid.NewGuid().ToString("N"),
        new TopicScripts("duologue:").Prefix,
        TimeProvider.System,
        NullLogger.Instance,
        () => link.GetDatabase(),
        new CallLimit(TimeProvider.System));

    /// <summary>Names the events that a test makes happen.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    private sealed class ProvokesAttribute(params string[] names) : Attribute
    {
        public string[] Names => names;
    }
}
