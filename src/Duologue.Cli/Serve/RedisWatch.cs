using Duologue.Cli.Terminal;
using Duologue.Redis;
using Microsoft.Extensions.Options;

namespace Duologue.Cli.Serve;

/// <summary>Says when Redis cannot be reached, what it has against this server if it is that, and when it is there again. The server goes on either way.</summary>
internal sealed class RedisWatch(RedisBroker broker, IOptions<RedisBrokerOptions> options, Report report, TimeProvider timeProvider) : BackgroundService
{
    // Longer than a healthy server takes to be reached, shorter than somebody looks at a terminal in doubt.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);
    private static readonly string[] AboutUsers = ["NOAUTH", "WRONGPASS", "NOPERM"];

    private readonly Lock _lock = new();
    private bool _isAway;

    private string Servers => RedisChoice.Describe(options.Value.Configuration!);

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        broker.Interrupted += OnInterrupted;
        broker.Restored += OnRestored;
        return base.StartAsync(cancellationToken);
    }

    public override Task StopAsync(CancellationToken cancellationToken)
    {
        broker.Interrupted -= OnInterrupted;
        broker.Restored -= OnRestored;
        return base.StopAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Delay(Patience, timeProvider, stoppingToken).ConfigureAwait(false);
        if (!broker.IsConnected)
        {
            Tell(isAway: true, broker.Failure is null && broker.Refusal is null ? $"Redis at {Servers} does not answer yet. Is it started, and is --redis right?" : $"There is no link to Redis at {Servers}.");
            if (broker.IsConnected)
            {
                // It came at that very moment, and its event came before this.
                OnRestored(null, EventArgs.Empty);
            }
        }

        // No event tells of it: the first try may take longer than this has waited, and a user may lose a right later.
        string? told = null;
        bool hasCause = false;
        using var look = new PeriodicTimer(LookInterval, timeProvider);
        do
        {
            if (broker.IsConnected)
            {
                told = null;
                hasCause = false;
            }
            else if (broker.Refusal is { } refusal)
            {
                if (refusal != told)
                {
                    // A server that is loading refuses, too, and is not asked for rights.
                    bool isOfUser = AboutUsers.Any(word => refusal.Contains(word, StringComparison.Ordinal));
                    TellError($"Redis at {Servers} refuses what makes the link: {refusal.TrimEnd('.')}.{(isOfUser ? " Are the user and the password in --redis right, and has the user the rights of docs/redis.md?" : "")}");
                }

                told = refusal;
            }
            else if (!hasCause && broker.Failure is { } failure)
            {
                // Once until the link stands: there may be figures in it that are others with each try.
                hasCause = true;
                TellError($"Redis at {Servers} cannot be reached: {failure.TrimEnd('.')}.{(options.Value.Configuration!.Ssl ? " Does it take TLS on that port, as ssl=true says?" : "")}");
            }
        }
        while (await look.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
    }

    private void OnInterrupted(object? sender, EventArgs e) => Tell(isAway: true, $"The link to Redis at {Servers} is lost.");

    private void OnRestored(object? sender, EventArgs e) => Tell(isAway: false, $"Redis at {Servers} is there; node {broker.NodeName} shares its topics.");

    private void Tell(bool isAway, string what)
    {
        lock (_lock)
        {
            // What begins well is not news: how the server began has told it.
            if (isAway == _isAway)
            {
                return;
            }

            _isAway = isAway;
        }

        if (isAway)
        {
            TellError($"{what} The server goes on and tries again; until then topics can neither be read nor published to, and who subscribes stays and catches up.");
        }
        else
        {
            report.Say($"[green]{Report.Safe(what)}[/]");
            report.Tell(new NoteEvent(what));
        }
    }

    private void TellError(string text)
    {
        report.Say($"[red]error:[/] {Report.Safe(text)}");
        report.Tell(new NoteEvent(text));
    }
}
