using System.Globalization;
using System.Text;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Connect;

/// <summary>One conversation: what is typed or piped in goes out, what comes is printed, until one side ends it.</summary>
internal sealed class ConnectRun(Connection connection, Uri url, ConnectPlan plan, Report report, TimeProvider timeProvider)
{
    private const int PieceSize = 64 * 1024;

    private readonly MessagePrinter _printer = new(report, timeProvider);
    private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task<bool> _line = Task.FromResult(true);
    private int _isSendingWhole;

    public async Task<int> RunAsync(CancellationToken stop)
    {
        bool isTyped = LineInput.IsTyped(report);
        Announce(isTyped);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task receiving = ReceiveAsync();
        Task<int?> sending = SendAsync(isTyped, ended.Token);
        Task pinging = plan.PingInterval is { } interval ? PingAsync(interval, ended.Token) : Task.CompletedTask;

        await Task.WhenAny(receiving, sending, Task.Delay(Timeout.Infinite, stop)).ConfigureAwait(false);
        int? verdict = null;
        if (plan.Once && _answered.Task.IsCompleted)
        {
            verdict = ExitCode.Success;
        }
        else if (sending.IsCompleted)
        {
            verdict = await sending.ConfigureAwait(false);
        }

        CloseInfo info = await connection.CloseAsync().ConfigureAwait(false);
        // What was on its way when we closed is still printed: the receiving ends with the conversation.
        await receiving.ConfigureAwait(false);
        await ended.CancelAsync().ConfigureAwait(false);
        await _line.ConfigureAwait(false);
        if (verdict != ExitCode.Success)
        {
            TellCut();
        }

        await pinging.ConfigureAwait(false);
        report.EndTyping();
        return Conclude(info, verdict, stop.IsCancellationRequested);
    }

    private void Announce(bool isTyped)
    {
        report.Tell(new OpenEvent(null, url.ToString(), connection.Subprotocol, null)
        {
            Extensions = connection.Extensions.Length == 0 ? null : connection.Extensions,
            Transport = TransportNames.NameOf(connection.Transport),
        });
        if (!isTyped)
        {
            return;
        }

        string protocol = connection.Subprotocol is null ? "" : $", subprotocol {connection.Subprotocol}";
        string extensions = connection.Extensions.Length == 0 ? "" : $", {connection.Extensions}";
        string transport = connection.Transport == Transport.WebSocket ? "" : $", by {TransportNames.NameOf(connection.Transport)}";
        report.Say($"[green]Connected[/] to {Report.Safe(url.GetLeftPart(UriPartial.Path) + protocol + extensions + transport)}. [grey]Type a line to send it; Ctrl+D or Ctrl+C ends.[/]");
        report.Editor = LineEditor.ForConsole();
    }

    private async Task ReceiveAsync()
    {
        try
        {
            await foreach (Message message in connection.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                _printer.Received(null, message);
                if (plan.Once)
                {
                    _answered.TrySetResult();
                    return;
                }
            }
        }
        catch (ConnectionClosedException)
        {
            // How it ended is told by Connection.Closed, once, at the end.
        }
    }

    /// <summary>Sends until the input ends; the exit code if that already decides it.</summary>
    private async Task<int?> SendAsync(bool isTyped, CancellationToken ended)
    {
        try
        {
            if (plan.Binary && !isTyped)
            {
                await SendWholeInputAsync(ended).ConfigureAwait(false);
            }
            else
            {
                await foreach (string line in LineInput.ReadLinesAsync(report.Editor, ended).ConfigureAwait(false))
                {
                    if (!await (_line = SendLineAsync(line, isTyped)).ConfigureAwait(false))
                    {
                        return null;
                    }

                    if (plan.Once && isTyped)
                    {
                        break;
                    }
                }
            }
        }
        catch (DecoderFallbackException)
        {
            return report.Fail(ExitCode.Usage, "Standard input is not UTF-8 text; send it with --binary.");
        }
        catch (ConnectionClosedException)
        {
            TellCut();
            return ExitCode.ClosedBadly;
        }
        catch (OperationCanceledException)
        {
            return null;
        }

        return await WaitAfterInputAsync(isTyped, ended).ConfigureAwait(false);
    }

    private async Task<int?> WaitAfterInputAsync(bool isTyped, CancellationToken ended)
    {
        if (isTyped && !plan.Once)
        {
            return null;
        }

        try
        {
            // Without --once nobody answers this wait: it is the time given to what is still to come.
            await _answered.Task.WaitAsync(plan.Wait, timeProvider, ended).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        catch (TimeoutException) when (plan.Once)
        {
            return report.Fail(ExitCode.NoAnswer, $"No message came within {new Duration(plan.Wait)} (--wait).");
        }
        catch (TimeoutException)
        {
            return null;
        }

        return null;
    }

    private async Task<bool> SendLineAsync(string line, bool isTyped)
    {
        try
        {
            // Until the connection ends, also where the tool is told to stop: then it is known whether the line was sent.
            if (plan.Binary)
            {
                await connection.SendAsync(Encoding.UTF8.GetBytes(line), MessageType.Binary, CancellationToken.None).ConfigureAwait(false);
            }
            else
            {
                await connection.SendAsync(line, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (ConnectionClosedException e)
        {
            string reason = e.IsUnsent ? "the connection is closed" : "the connection closed while it was being sent";
            report.Say($"[red]not sent:[/] {Report.Safe(line)} [grey]({reason})[/]");
            report.Tell(new UnsentEvent(reason, Encoding.UTF8.GetByteCount(line)));
            return false;
        }

        if (isTyped)
        {
            _printer.Sent(line);
        }

        return true;
    }

    private async Task SendWholeInputAsync(CancellationToken ended)
    {
        Volatile.Write(ref _isSendingWhole, 1);
        await CopyInputAsync(ended).ConfigureAwait(false);
        Volatile.Write(ref _isSendingWhole, 0);
    }

    /// <summary>Says once that the input was not sent whole, if it was not. Whoever reads it may be held by a pipe, and does not notice the end.</summary>
    private void TellCut()
    {
        if (Interlocked.Exchange(ref _isSendingWhole, 0) == 1)
        {
            report.Say("[red]The input was not sent whole: the connection closed.[/]");
            report.Tell(new UnsentEvent("the connection closed", 0));
        }
    }

    private async Task CopyInputAsync(CancellationToken ended)
    {
        await using Stream input = Console.OpenStandardInput();
        if (TryOpenWrite() is { } message)
        {
            // Piece by piece, so that a file of any size passes through a buffer of one.
            await using (message.ConfigureAwait(false))
            {
                try
                {
                    await input.CopyToAsync(message, PieceSize, ended).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    // What has left must not pass for the whole message, as it would if it were ended in good order.
                    connection.Abort();
                    throw;
                }
            }

            return;
        }

        using var whole = new MemoryStream();
        await input.CopyToAsync(whole, PieceSize, ended).ConfigureAwait(false);
        await connection.SendAsync(whole.GetBuffer().AsMemory(0, (int)whole.Length), MessageType.Binary, ended).ConfigureAwait(false);
    }

    /// <summary>Null over Engine.IO, where a message is one packet and cannot begin before its end is known.</summary>
    private Stream? TryOpenWrite()
    {
        try
        {
            return connection.OpenWrite(MessageType.Binary);
        }
        catch (NotSupportedException)
        {
            return null;
        }
    }

    private async Task PingAsync(TimeSpan interval, CancellationToken ended)
    {
        try
        {
            while (true)
            {
                TimeSpan time = await connection.PingAsync(ended).ConfigureAwait(false);
                report.Tell(new PingEvent(time.TotalMilliseconds));
                report.Say(string.Create(CultureInfo.InvariantCulture, $"[grey]ping {time.TotalMilliseconds:0.00} ms[/]"));
                await Task.Delay(interval, timeProvider, ended).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ConnectionClosedException)
        {
            // The conversation is over, which its end tells.
        }
        catch (NotSupportedException e)
        {
            report.Say($"[yellow]No --ping here:[/] [grey]{Report.Safe(e.Message)}[/]");
        }
    }

    private int Conclude(CloseInfo info, int? verdict, bool stopped)
    {
        report.Tell(CloseEvent.Of(null, info));
        bool isGood = info.WasClean && info.Code is 1000 or 1001 or 1005 && info.UnsentBytes == 0;
        if (!isGood || (info.ByPeer && !plan.Once))
        {
            report.Say($"{(isGood ? "[yellow]Closed[/]" : "[red]Closed[/]")} {Describe(info)}");
        }

        if (verdict is not null && verdict != ExitCode.Success)
        {
            return verdict.Value;
        }

        if (plan.Once && !_answered.Task.IsCompleted && !stopped)
        {
            return isGood ? report.Fail(ExitCode.NoAnswer, "The server closed before a message came.") : ExitCode.ClosedBadly;
        }

        return plan.Once && verdict == ExitCode.Success || isGood ? ExitCode.Success : ExitCode.ClosedBadly;
    }

    private static string Describe(CloseInfo info)
    {
        string who = info.ByPeer ? "by the server" : info.Cause == CloseCause.ConnectionLost ? "when the line was cut" : "by this side";
        string reason = info.Reason.Length > 0 ? $" \"{info.Reason}\"" : "";
        string clean = info.WasClean ? "" : ", not clean";
        return Report.SafeLine($"{who}: {info.Code}{reason} ({info.Cause}{clean}){UnsentText.Of(info)}");
    }
}
