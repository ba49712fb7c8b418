using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Duologue.Soak;

/// <summary>A process that ends with this one, however this one ends, and that can be sent signals.</summary>
internal sealed class Child : IAsyncDisposable
{
    // The shell tells the pid, and kills the child when its standard input is at its end: when this process has gone.
    private const string Script = """
        exec 3<&0
        "$@" 3<&- < /dev/null 2>&1 &
        pid=$!
        echo "$pid"
        { read _ <&3; kill -9 $pid; } > /dev/null 2>&1 &
        watch=$!
        exec 3<&- 2> /dev/null
        wait $pid
        code=$?
        kill $watch 2> /dev/null
        exit $code
        """;

    private const int KeptLines = 200;

    private readonly Process _shell;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly int _pid;
    private readonly Task _reading;

    private Child(Process shell, int pid, Func<string, bool> isReady)
    {
        (_shell, _pid) = (shell, pid);
        _reading = ReadAsync(isReady);
    }

    /// <summary>What it has said of late.</summary>
    public string Said => string.Join('\n', _lines);

    /// <summary>The processor time it has used.</summary>
    public TimeSpan Used
    {
        get
        {
            try
            {
                using var process = Process.GetProcessById(_pid);
                return process.TotalProcessorTime;
            }
            catch (ArgumentException)
            {
                return TimeSpan.Zero;
            }
        }
    }

    /// <summary>Starts it, and waits for the line that says that it is ready. Null if it ended before that, as where its port is taken.</summary>
    public static async Task<Child?> TryStartAsync(string program, IEnumerable<string> arguments, Func<string, bool> isReady, CancellationToken cancellationToken)
    {
        Child child = Start(program, arguments, isReady);
        if (await child.BecomesReadyAsync(cancellationToken))
        {
            return child;
        }

        await child.DisposeAsync();
        return null;
    }

    /// <summary>Starts it.</summary>
    public static Child Start(string program, IEnumerable<string> arguments, Func<string, bool> isReady)
    {
        var start = new ProcessStartInfo("sh", ["-c", Script, "sh", program, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        Process shell = Process.Start(start)!;
        return new Child(shell, int.Parse(shell.StandardOutput.ReadLine()!, CultureInfo.InvariantCulture), isReady);
    }

    /// <summary>Whether it has said that it is ready; false if it has ended.</summary>
    public async Task<bool> BecomesReadyAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAny(_ready.Task, _reading).WaitAsync(cancellationToken);
        return _ready.Task.IsCompleted;
    }

    public async Task SignalAsync(string signal)
    {
        using var kill = Process.Start(new ProcessStartInfo("kill", ["-" + signal, _pid.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardError = true })!;
        await kill.WaitForExitAsync();
    }

    /// <summary>Waits for its end.</summary>
    public async Task<int> WaitAsync(CancellationToken cancellationToken)
    {
        await _shell.WaitForExitAsync(cancellationToken);
        return _shell.ExitCode;
    }

    /// <summary>As kill -9 does: nothing is said to anyone.</summary>
    public async Task KillAsync()
    {
        await SignalAsync("KILL");
        await _shell.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_shell.HasExited)
        {
            _shell.StandardInput.Close();
            await _shell.WaitForExitAsync();
        }

        await _reading;
        _shell.Dispose();
    }

    /// <summary>The path of a program that is installed, or null.</summary>
    public static string? Find(string name) =>
        OperatingSystem.IsWindows()
            ? null
            : $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin"
                .Split(':', StringSplitOptions.RemoveEmptyEntries)
                .Select(folder => Path.Combine(folder, name))
                .FirstOrDefault(File.Exists);

    /// <summary>
    /// Where nobody listens at this moment, and below the ports that the system gives to those who ask for any: nobody takes it while a killed process is away.
    /// The tests of other projects, which may run at the same time, take theirs from other thousands.
    /// </summary>
    public static int FreePort()
    {
        while (true)
        {
            int port = Random.Shared.Next(26_000, 30_000);
            using var probe = new TcpListener(IPAddress.Loopback, port);
            try
            {
                probe.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody has it.
            }
        }
    }

    private async Task ReadAsync(Func<string, bool> isReady)
    {
        while (await _shell.StandardOutput.ReadLineAsync() is { } line)
        {
            _lines.Enqueue(line);
            while (_lines.Count > KeptLines)
            {
                _lines.TryDequeue(out _);
            }

            if (isReady(line))
            {
                _ready.TrySetResult();
            }
        }
    }
}
