using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Duologue.AspNetCore;

/// <summary>
/// Closes all connections when the host stops, before the web server does: Kestrel would only wait for upgraded requests until its
/// time is over and then cut them, and of detached connections it knows nothing.
/// </summary>
internal sealed class DrainService(DuologueServer server, IOptions<HostOptions> host, ILoggerFactory loggers) : IHostedLifecycleService
{
    // The closes leave in ticks, not one by one: a timer per connection would be none the finer.
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(20);

    private readonly ILogger _logger = new SteadyLogger(loggers.CreateLogger(Log.DrainCategory));

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        server.BeginDraining();
        TimeProvider clock = server.TimeProvider;
        long start = clock.GetTimestamp();
        WebSocketConnection[] connections = [.. server.Connections.Open];
        if (connections.Length == 0)
        {
            return;
        }

        DrainPlan plan = PlanFor(connections.Length);
        Log.DrainStarted(_logger, connections.Length, plan.Window.TotalSeconds);
        try
        {
            await CloseOverAsync(connections, plan.Window, clock, start, cancellationToken).ConfigureAwait(false);
            while (server.Connections.Count > 0 && clock.GetElapsedTime(start) < plan.Deadline)
            {
                // Who was registered since closes, too: see DuologueEndpoint.Create.
                await Task.Delay(Tick, clock, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The host's patience is over earlier than planned; what is left is aborted below.
        }

        Finish(clock.GetElapsedTime(start));
    }

    private DrainPlan PlanFor(int count)
    {
        TimeSpan shutdownTimeout = host.Value.ShutdownTimeout;
        // An infinite timeout leaves the options as they are; a day is more than any of them.
        TimeSpan bounded = shutdownTimeout == Timeout.InfiniteTimeSpan ? TimeSpan.FromDays(2) : shutdownTimeout;
        DrainPlan plan = DrainPlan.For(count, server.Options.DrainWindow, server.Options.CloseTimeout, bounded);
        if (plan.WasCut)
        {
            Log.DrainWindowCut(_logger, server.Options.DrainWindow.TotalSeconds, shutdownTimeout.TotalSeconds, plan.Window.TotalSeconds);
        }

        return plan;
    }

    private static async Task CloseOverAsync(WebSocketConnection[] connections, TimeSpan window, TimeProvider clock, long start, CancellationToken cancellationToken)
    {
        int closed = 0;
        while (closed < connections.Length)
        {
            double share = window > Tick ? (clock.GetElapsedTime(start) + Tick) / window : 1;
            int due = (int)Math.Min(connections.Length, Math.Ceiling(connections.Length * share));
            CloseAll(connections[closed..due]);
            closed = due;
            if (closed < connections.Length)
            {
                await Task.Delay(Tick, clock, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Closes one connection because the server is going. Closing twice does nothing.</summary>
    internal static void Close(WebSocketConnection connection) =>
        connection.BeginClose(1001, "The server is shutting down.", CloseCause.ServerDraining);

    private static void CloseAll(IEnumerable<WebSocketConnection> connections)
    {
        foreach (WebSocketConnection connection in connections)
        {
            Close(connection);
        }
    }

    private void Finish(TimeSpan duration)
    {
        WebSocketConnection[] left = [.. server.Connections.Open];
        if (left.Length == 0)
        {
            Log.DrainCompleted(_logger, duration.TotalSeconds);
            return;
        }

        server.Metrics.DrainAborted(left.Length);
        Log.DrainCut(_logger, left.Length, duration.TotalSeconds);
        foreach (WebSocketConnection connection in left)
        {
            connection.Abort();
        }
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
