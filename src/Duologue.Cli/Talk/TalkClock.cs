namespace Duologue.Cli.Talk;

/// <summary>Makes the server speak without being asked: the time, each second.</summary>
internal sealed class TalkClock(TalkRoom room, TimeProvider timeProvider) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), timeProvider);
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
        {
            room.PushClock();
        }
    }
}
