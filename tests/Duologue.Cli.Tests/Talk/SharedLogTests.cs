using System.Text.Json;
using Duologue.AspNetCore;
using Duologue.Cli.Talk;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Duologue.Cli.Tests.Talk;

/// <summary>What a node makes of the talk's log, whatever stands in it.</summary>
public sealed class SharedLogTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public Task An_entry_that_could_not_be_applied_kept_those_behind_it_from_the_talk() => ReadsOnBehindBadEntryAsync(NullLogger.Instance);

    [Fact]
    public async Task A_sink_that_threw_ended_the_reading_of_the_log()
    {
        var sink = new FailingSink();
        await ReadsOnBehindBadEntryAsync(sink);
        Assert.NotEqual(0, sink.Logged);
    }

    [Fact]
    public async Task Entries_that_were_let_go_of_while_the_log_was_read_were_passed_over()
    {
        var broker = new TrimmedLog(
            new TopicPage([Message(1, new Beginning("talk", 0)), Message(2, new Joining("other.1", "Ada", Person.Terminal, null))], new TopicPosition(1, 2), HasMore: true),
            new TopicPage([Message(5, new Joining("other.2", "Ben", Person.Terminal, null))], new TopicPosition(1, 5), HasMore: false) { IsReset = true, Lost = 2 });
        await using WebApplication application = Build(broker);
        using var log = new SharedLog(application.Services.GetRequiredService<Topics>(), () => true, NullLogger.Instance, TimeProvider.System);
        var room = new TalkRoom(log, new NodeAudience(), TimeProvider.System, 100);

        await log.StartAsync(Token);
        Assert.Contains("\"ask\"", await broker.Appended.Task.WaitAsync(Patience, Token), StringComparison.Ordinal);

        // What stands behind the hole waits for somebody who knows what was in it.
        Assert.Equal(["Ada"], room.ListNames());
        await log.StopAsync(Token);
    }

    private static async Task ReadsOnBehindBadEntryAsync(ILogger logger)
    {
        await using WebApplication application = Build(null);
        Topics topics = application.Services.GetRequiredService<Topics>();
        using var log = new SharedLog(topics, () => true, logger, TimeProvider.System);
        var audience = new Audience();
        var room = new TalkRoom(log, audience, TimeProvider.System, 100);
        await log.AppendAsync(new Beginning("talk", 0), default, Token);
        await topics.PublishAsync(SharedLog.Topic, """{"type":"say"}""", Token);
        await log.AppendAsync(new Joining("other.1", "Ada", Person.Terminal, null), default, Token);

        await log.StartAsync(Token);
        await audience.AdaJoined.Task.WaitAsync(Patience, Token);
        Assert.Equal(["Ada"], room.ListNames());
        await log.StopAsync(Token);
    }

    private static WebApplication Build(Broker? broker)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddDuologue();
        if (broker is not null)
        {
            builder.Services.AddSingleton(broker);
        }

        return builder.Build();
    }

    private static TopicMessage Message(long offset, TalkEntry entry) => new(new TopicPosition(1, offset), MessageType.Text, JsonSerializer.SerializeToUtf8Bytes(entry, TalkJson.Default.TalkEntry));

    private sealed class Audience : TalkAudience
    {
        public TaskCompletionSource AdaJoined { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override void Add(Connection connection, string topic)
        {
        }

        public override void Remove(Connection connection, string topic)
        {
        }

        public override void Forget(Connection connection)
        {
        }

        public override void Tell(string topic, string text)
        {
            if (text.Contains("Ada joined", StringComparison.Ordinal))
            {
                AdaJoined.TrySetResult();
            }
        }

        public override void Tell(string topic, ReadOnlySpan<byte> data, MessageType type)
        {
        }
    }

    /// <summary>Gives some pages, one after the other, and then nothing new.</summary>
    private sealed class TrimmedLog(params TopicPage[] pages) : Broker
    {
        private int _given;

        /// <summary>The first thing that is.</summary>
        public TaskCompletionSource<string> Appended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken)
        {
            Appended.TrySetResult(message.Text);
            return new(pages[^1].Next);
        }

        public override ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken)
        {
            int place = Interlocked.Increment(ref _given);
            return new(place <= pages.Length ? pages[place - 1] : new TopicPage([], pages[^1].Next, HasMore: false));
        }

        public override ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken) => new(pages[^1].Next);

        public override ValueTask UnsubscribeAsync(string topic) => ValueTask.CompletedTask;
    }
}
