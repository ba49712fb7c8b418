using System.Collections.Concurrent;
using System.Text;
using Duologue.Cli.Serve;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Listen;

/// <summary>The run of a <c>listen</c>: its connections, and the input that goes to all of them.</summary>
internal sealed class ListenRun(Report report, bool binary, bool once)
{
    /// <summary>So much waits for a client that is behind, in bytes, before the input waits for it, too; one that takes nothing at all is ended by <see cref="ConnectionOptions.SendTimeout"/>.</summary>
    public const int SendQueueLimit = 16 * 1024 * 1024;

    // A frame's header, and some.
    private const int Overhead = 64;

    private readonly MessagePrinter _printer = new(report, TimeProvider.System);
    private readonly ConcurrentDictionary<int, Connection> _connections = new();
    private readonly TaskCompletionSource _firstClosed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _lastId;

    /// <summary>Prints what one peer says, from its coming to its going.</summary>
    public async Task ConverseAsync(Connection connection)
    {
        int id = Interlocked.Increment(ref _lastId);
        _connections.TryAdd(id, connection);
        string from = connection.Request?.RemoteEndPoint?.ToString() ?? "unknown";
        report.Say($"[yellow]#{id}[/] [green]open[/] [grey]{Report.Safe($"from {from}{(connection.Subprotocol is null ? "" : $", subprotocol {connection.Subprotocol}")}")}[/]");
        report.Tell(new OpenEvent(id, connection.Request?.Path ?? "/", connection.Subprotocol, from));
        try
        {
            await foreach (Message message in connection.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                _printer.Received(id, message);
            }
        }
        catch (ConnectionClosedException)
        {
            // How it ended is told below, from the one place that knows.
        }

        _connections.TryRemove(id, out _);
        CloseInfo info = await connection.Closed.ConfigureAwait(false);
        string reason = info.Reason.Length > 0 ? $" \"{info.Reason}\"" : "";
        report.Say($"[yellow]#{id}[/] [red]closed[/] [grey]{Report.SafeLine($"{info.Code}{reason} ({info.Cause}){UnsentText.Of(info)}")}[/]");
        report.Tell(CloseEvent.Of(id, info));
        _firstClosed.TrySetResult();
    }

    /// <summary>Runs until told to stop, or with <c>--once</c> until the first connection has closed.</summary>
    public async Task<int> RunAsync(WebApplication application, string path, CancellationToken stop)
    {
        IReadOnlyList<string> bound = ListenUrls.GetBound(application);
        string local = ListenUrls.GetLocal(bound[0]);
        string socket = string.Concat("ws", local.AsSpan("http".Length), path == "/" ? "" : path);
        report.SayWhole($"Listening. Join with [aqua]{Report.Safe($"{ToolInvocation.Here} connect {socket}")}[/] [grey](Ctrl+C stops it)[/]");
        report.Tell(new ListeningEvent(bound, local, [path]));

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task sending = SendInputAsync(ended.Token);
        try
        {
            await (once ? _firstClosed.Task : Task.Delay(Timeout.Infinite, CancellationToken.None)).WaitAsync(stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Asked to stop.
        }

        await ended.CancelAsync().ConfigureAwait(false);
        await application.StopAsync(CancellationToken.None).ConfigureAwait(false);

        // What waited for a client has failed with its connection by now, and is told.
        await sending.ConfigureAwait(false);
        report.EndTyping();
        report.Tell(new StoppedEvent());
        return ExitCode.Success;
    }

    private async Task SendInputAsync(CancellationToken ended)
    {
        bool isTyped = LineInput.IsTyped(report);
        if (isTyped)
        {
            report.Editor = LineEditor.ForConsole();
        }

        try
        {
            await foreach (string line in LineInput.ReadLinesAsync(report.Editor, ended).ConfigureAwait(false))
            {
                await SendToAllAsync(line, isTyped).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to stop.
        }
        catch (DecoderFallbackException)
        {
            report.Fail(ExitCode.Usage, "Standard input is not UTF-8 text; nothing more of it is sent.");
        }
    }

    private async Task SendToAllAsync(string line, bool isTyped)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(line);
        Outcome[] outcomes = await Task.WhenAll(_connections.Select(each => SendAsync(each.Key, each.Value, line, bytes))).ConfigureAwait(false);
        if (outcomes.All(outcome => outcome == Outcome.Left))
        {
            report.Say($"[red]not sent, nobody is connected:[/] {Report.Safe(line)}");
            report.Tell(new UnsentEvent("nobody is connected", bytes.Length));
        }
        else if (isTyped && outcomes.Contains(Outcome.Sent))
        {
            _printer.Sent(line);
        }
    }

    // One that does not read has its queue filled, and the others have their lines.
    private async Task<Outcome> SendAsync(int id, Connection connection, string line, byte[] bytes)
    {
        MessageType type = binary ? MessageType.Binary : MessageType.Text;
        if (connection.BufferedAmount + bytes.Length + Overhead <= SendQueueLimit)
        {
            return connection.Send(bytes, type) == SendResult.Dropped ? Outcome.Left : Outcome.Sent;
        }

        try
        {
            // Until the connection ends, also where the tool is told to stop: then it is known whether the line was sent.
            await connection.SendAsync(bytes, type, CancellationToken.None).ConfigureAwait(false);
            return Outcome.Sent;
        }
        catch (ConnectionClosedException e)
        {
            string reason = e.IsUnsent ? "the connection closed" : "the connection closed while it was being sent";
            report.Say($"[yellow]#{id}[/] [red]not sent:[/] {Report.Safe(line)} [grey]({reason})[/]");
            report.Tell(new UnsentEvent(reason, bytes.Length) { Id = id });
            return Outcome.Told;
        }
    }

    /// <summary>What became of a line for one client.</summary>
    private enum Outcome
    {
        /// <summary>It is on its way.</summary>
        Sent,

        /// <summary>The client is leaving; its close is printed.</summary>
        Left,

        /// <summary>It was said that it was not sent.</summary>
        Told,
    }
}
