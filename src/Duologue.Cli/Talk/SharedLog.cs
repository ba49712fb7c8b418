using System.Text.Json;
using Duologue.AspNetCore;

namespace Duologue.Cli.Talk;

/// <summary>
/// The log of a talk that nodes share: a topic, which each of them reads and applies. Who is there by which node is told by presence: a node that was killed is present nowhere when its lease is over, and
/// the others write that its people have left. Thread-safe.
/// </summary>
internal sealed partial class SharedLog(Topics topics, Func<bool> isConnected, ILogger logger, TimeProvider timeProvider) : TalkLog, IHostedService, IDisposable
{
    /// <summary>The topic.</summary>
    public const string Topic = TalkRoom.TopicPrefix + "log";

    private const int PageCount = 100;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stop = new();
    private readonly ILogger _logger = new SteadyLogger(logger);
    private TalkRoom? _room;
    private Task _running = Task.CompletedTask;

    public override bool IsShared => true;

    /// <summary>How much of the log is kept: the files that one may have kept, and several times what says how the talk stands.</summary>
    public static TopicHistory HistoryFor(int maxFile) => new()
    {
        MaxCount = 4 * TalkRoom.EntriesPerStanding,
        MaxBytes = (int)Math.Min(int.MaxValue, (2L * maxFile) + (8 * 1024 * 1024)),
        MaxAge = TimeSpan.FromDays(7),
    };

    public override void Attach(TalkRoom room) => _room = room;

    public override async ValueTask AppendAsync(TalkEntry entry, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        byte[] head = JsonSerializer.SerializeToUtf8Bytes(entry, TalkJson.Default.TalkEntry);
        if (entry is Filing)
        {
            await topics.PublishAsync(Topic, TalkProtocol.Encode(head, content.Span), MessageType.Binary, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await topics.PublishAsync(Topic, head, MessageType.Text, cancellationToken).ConfigureAwait(false);
        }
    }

    public override void Post(TalkEntry entry) => _ = PostAsync(entry);

    public override void MakePresent(Connection connection) => connection.Subscribe(PresenceOf(Node));

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _running = Task.WhenAll(FollowAsync(_room!), SweepAsync(_room!));
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => _stop.Dispose();

    // A topic of each node: those who are in the talk by it subscribe to it, and nothing is ever said there.
    private static string PresenceOf(string node) => $"{TalkRoom.TopicPrefix}at/{node}";

    private static TalkEntry? Decode(TopicMessage message, out byte[] content)
    {
        ReadOnlySpan<byte> head = message.Data.Span;
        ReadOnlySpan<byte> rest = default;
        bool isWhole = message.Type == MessageType.Text || TalkProtocol.TrySplit(message.Data.Span, out head, out rest);
        content = rest.ToArray();
        try
        {
            return isWhole ? JsonSerializer.Deserialize(head, TalkJson.Default.TalkEntry) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private async Task PostAsync(TalkEntry entry)
    {
        try
        {
            await AppendAsync(entry, default, _stop.Token).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            // What has to be written is found out anew each second, also by other nodes; that Redis is away is told by who watches the link.
            if (!_stop.IsCancellationRequested && error is not BrokerUnavailableException)
            {
                LogNotWritten(_logger, error);
            }
        }
    }

    private async Task FollowAsync(TalkRoom room)
    {
        TopicSubscription? reader = null;
        TopicPosition? draining = null;
        try
        {
            while (true)
            {
                try
                {
                    reader ??= await topics.SubscribeAsync(Topic, TopicStart.After(await ReadAllAsync(room).ConfigureAwait(false)), _stop.Token).ConfigureAwait(false);
                    if (draining is not { } from)
                    {
                        Take(room, await reader.ReadAsync(_stop.Token).ConfigureAwait(false));
                        continue;
                    }

                    TopicPage page = await topics.ReadAsync(Topic, TopicStart.After(from), PageCount, _stop.Token).ConfigureAwait(false);
                    Take(room, page);
                    draining = page.Next;
                    await Task.Delay(Pause / 10, timeProvider, _stop.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (reader is not null && draining is null && !_stop.IsCancellationRequested)
                {
                    // Nobody waits for news on a server that stops. Those who are still here are to hear of it all the same.
                    draining = reader.Position;
                }
                catch (Exception error) when (error is not OperationCanceledException)
                {
                    // It goes on from where it is. That Redis is away is told by who watches the link.
                    if (error is not BrokerUnavailableException)
                    {
                        LogNotRead(_logger, error);
                    }

                    await Task.Delay(Pause, timeProvider, _stop.Token).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
        finally
        {
            reader?.Dispose();
        }
    }

    private async Task<TopicPosition> ReadAllAsync(TalkRoom room)
    {
        room.Lose();
        TopicStart from = TopicStart.Oldest;
        while (true)
        {
            TopicPage page = await topics.ReadAsync(Topic, from, PageCount, _stop.Token).ConfigureAwait(false);
            if (page.IsReset)
            {
                // The log has let go of what was to be read next: what stands before that leads nowhere.
                LogReset(_logger);
                room.Lose();
            }

            Apply(room, page);
            if (!page.HasMore)
            {
                room.CatchUp(page.Next.Offset);
                return page.Next;
            }

            from = TopicStart.After(page.Next);
        }
    }

    private void Take(TalkRoom room, TopicPage page)
    {
        if (page.IsReset)
        {
            LogReset(_logger);
            room.Lose();
            Apply(room, page);
            room.CatchUp(page.Next.Offset);
        }
        else
        {
            Apply(room, page);
        }
    }

    private void Apply(TalkRoom room, TopicPage page)
    {
        foreach (TopicMessage message in page.Messages)
        {
            try
            {
                if (Decode(message, out byte[] content) is { } entry)
                {
                    room.Apply(message.Position.Offset, message.Time, entry, content);
                    continue;
                }

                LogUnreadable(_logger, null, message.Position);
            }
            catch (Exception error)
            {
                // Each node passes over the same; those behind it must not be passed over with it.
                LogUnreadable(_logger, error, message.Position);
            }
        }
    }

    private async Task SweepAsync(TalkRoom room)
    {
        using var timer = new PeriodicTimer(Pause, timeProvider);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                // Who has no link knows of nobody elsewhere, and that says nothing about them.
                room.Sweep(isConnected() ? node => topics.CountSubscribers(PresenceOf(node)) > 0 : static _ => true);
            }
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
    }

    [LoggerMessage(4001, LogLevel.Error, "The talk's log could not be written; it is tried again.", EventName = "TalkNotWritten")]
    private static partial void LogNotWritten(ILogger logger, Exception error);

    [LoggerMessage(4002, LogLevel.Error, "The talk's log could not be read; it is tried again.", EventName = "TalkNotRead")]
    private static partial void LogNotRead(ILogger logger, Exception error);

    [LoggerMessage(4003, LogLevel.Warning, "Entries of the talk's log are gone: the talk is taken up from what other nodes know of it, or begins anew.", EventName = "TalkReset")]
    private static partial void LogReset(ILogger logger);

    [LoggerMessage(4004, LogLevel.Warning, "The entry {Position} of the talk's log is none that this version reads; it is passed over.", EventName = "TalkEntryUnreadable")]
    private static partial void LogUnreadable(ILogger logger, Exception? error, TopicPosition position);
}
