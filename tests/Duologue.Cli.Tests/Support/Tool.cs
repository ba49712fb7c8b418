using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace Duologue.Cli.Tests.Support;

/// <summary>The built tool as a process of its own, as a user runs it.</summary>
internal sealed class Tool : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private const int SigInt = 2;

    // A shell ignores it on behalf of what it starts in the background, and so would the tool, which has it from this process.
    private static readonly bool IsInterruptIgnored = OperatingSystem.IsLinux() && IgnoresInterrupt();
    private static readonly bool CanRestoreInterrupt = IsInterruptIgnored && EnvRestoresInterrupt();

    private readonly Process _process;
    private readonly Output _out = new();
    private readonly Output _error = new();
    private readonly Task _reading;

    private Tool(Process process)
    {
        _process = process;
        _reading = Task.WhenAll(_out.ReadAsync(process.StandardOutput), _error.ReadAsync(process.StandardError));
    }

    public string Out => _out.Text;

    public string Error => _error.Text;

    public static string AssemblyPath => Path.Combine(AppContext.BaseDirectory, "Duologue.Cli.dll");

    public static Tool Start(params string[] arguments) => new(Process.Start(CreateStart(arguments)) ?? throw new InvalidOperationException("The tool did not start."));

    /// <summary>Starts it where these system calls are forbidden.</summary>
    public static Tool StartSandboxed(int[] forbidden, params string[] arguments) => new(Sandbox.Start(CreateStart(arguments), forbidden));

    /// <summary>Starts it with so few file descriptors.</summary>
    public static Tool StartLimited(int descriptors, params string[] arguments)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The event loop runs on Linux.");
        ProcessStartInfo start = CreateStart(arguments);
        string[] command = ["-c", $"ulimit -n {descriptors} && exec \"$0\" \"$@\"", start.FileName, .. start.ArgumentList];
        start.FileName = "sh";
        start.ArgumentList.Clear();
        foreach (string argument in command)
        {
            start.ArgumentList.Add(argument);
        }

        return new(Process.Start(start)!);
    }

    /// <summary>The processor time it has used.</summary>
    public TimeSpan Used
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Whether it has ended, or does so now: its output ends a moment before it.</summary>
    public bool EndsSoon() => _process.WaitForExit(TimeSpan.FromSeconds(5));

    private static ProcessStartInfo CreateStart(string[] arguments)
    {
        Assert.True(File.Exists(AssemblyPath), $"The tool is not built: {AssemblyPath} is missing.");
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
        };
        // Most are killed in the end, and a .NET process that is killed leaves its diagnostic socket and pipes in the temporary folder: it is to have none.
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        if (CanRestoreInterrupt)
        {
            start.FileName = "env";
            start.ArgumentList.Add("--default-signal=INT");
            start.ArgumentList.Add("dotnet");
        }

        start.ArgumentList.Add(AssemblyPath);
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        return start;
    }

    /// <summary>Runs it to its end, with this as its standard input.</summary>
    public static async Task<(int ExitCode, string Out, string Error)> RunAsync(string input, params string[] arguments)
    {
        await using Tool tool = Start(arguments);
        try
        {
            await tool.WriteAsync(input);
            tool.EndInput();
        }
        catch (IOException)
        {
            // It has ended and read nothing, while this process was held up: its exit code and its words tell the rest.
        }

        return await tool.WaitAsync();
    }

    public async Task WriteAsync(string text)
    {
        await _process.StandardInput.WriteAsync(text);
        await _process.StandardInput.FlushAsync();
    }

    public async Task WriteBytesAsync(byte[] bytes)
    {
        await _process.StandardInput.BaseStream.WriteAsync(bytes);
        await _process.StandardInput.BaseStream.FlushAsync();
    }

    public void EndInput() => _process.StandardInput.Close();

    /// <summary>Waits for a line on standard output.</summary>
    public Task<string> WaitForOutAsync(Func<string, bool> isIt) => _out.WaitForAsync(isIt, this);

    /// <summary>Waits for a line on standard error.</summary>
    public Task<string> WaitForErrorAsync(Func<string, bool> isIt) => _error.WaitForAsync(isIt, this);

    public Task<(int ExitCode, string Out, string Error)> WaitAsync() => WaitAsync(Patience);

    /// <summary>Waits for its end, for so long.</summary>
    public async Task<(int ExitCode, string Out, string Error)> WaitAsync(TimeSpan patience)
    {
        using var limit = new CancellationTokenSource(patience);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"The tool did not end.\nout: {Out}\nerror: {Error}");
        }

        await _reading;
        return (_process.ExitCode, Out, Error);
    }

    /// <summary>What Ctrl+C does.</summary>
    public void Interrupt()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Ctrl+C cannot be sent to one process on Windows.");
        Assert.SkipWhen(IsInterruptIgnored && !CanRestoreInterrupt, "These tests were started with SIGINT ignored, as a shell does in the background, and there is no env --default-signal=INT.");
        Signal("-INT");
    }

    /// <summary>What a system that stops its services does.</summary>
    public void Terminate()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no SIGTERM.");
        Signal("-TERM");
    }

    /// <summary>Lets it stand still: it takes what is sent, and does nothing.</summary>
    public void Freeze()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no SIGSTOP.");
        Signal("-STOP");
    }

    /// <summary>Lets it go on.</summary>
    public void Thaw() => Signal("-CONT");

    private static bool IgnoresInterrupt()
    {
        string? mask = File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("SigIgn:", StringComparison.Ordinal));
        return mask is not null && (Convert.ToUInt64(mask["SigIgn:".Length..].Trim(), 16) & (1UL << (SigInt - 1))) != 0;
    }

    // From coreutils 8.31 on.
    private static bool EnvRestoresInterrupt()
    {
        try
        {
            using Process env = Process.Start(new ProcessStartInfo("env", ["--default-signal=INT", "true"]) { RedirectStandardError = true })!;
            env.WaitForExit();
            return env.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }

    private void Signal(string signal)
    {
        using Process kill = Process.Start("kill", [signal, _process.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>Ends it as a power cut would.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private sealed class Output
    {
        private readonly ConcurrentQueue<string> _lines = new();
        private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _ended;

        public string Text => string.Join('\n', _lines);

        public async Task ReadAsync(StreamReader reader)
        {
            while (await reader.ReadLineAsync() is { } line)
            {
                _lines.Enqueue(line);
                Tell();
            }

            _ended = true;
            Tell();
        }

        public async Task<string> WaitForAsync(Func<string, bool> isIt, Tool tool)
        {
            using var limit = new CancellationTokenSource(Patience);
            while (true)
            {
                Task changed = _changed.Task;

                // Looked at before the lines: the last one and the end may come between.
                bool ended = _ended;
                if (_lines.FirstOrDefault(isIt) is { } found)
                {
                    return found;
                }

                Assert.False(ended, $"The tool ended without the line.\nout: {tool.Out}\nerror: {tool.Error}");
                try
                {
                    await changed.WaitAsync(limit.Token);
                }
                catch (OperationCanceledException)
                {
                    Assert.Fail($"The line did not come.\nout: {tool.Out}\nerror: {tool.Error}");
                }
            }
        }

        private void Tell() => Interlocked.Exchange(ref _changed, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
    }
}

/// <summary>A running <c>duologue serve</c>.</summary>
internal sealed partial class ServeTool : IAsyncDisposable
{
    private readonly Tool _tool;

    private ServeTool(Tool tool, string url)
    {
        _tool = tool;
        Url = url;
    }

    /// <summary>Such as <c>http://127.0.0.1:43210</c>.</summary>
    public string Url { get; }

    public string Socket => string.Concat("ws", Url.AsSpan(4));

    public Tool Tool => _tool;

    public static Task<ServeTool> StartAsync(params string[] arguments) => StartAtAsync("http://127.0.0.1:0", arguments);

    public static Task<ServeTool> StartAtAsync(string url, params string[] arguments) => ListeningAsync(Tool.Start(["serve", "--urls", url, .. arguments]));

    /// <summary>
    /// Starts one that is to end and to come back on its port. The port is below those that the system gives to whoever asks for any: nobody takes it meanwhile.
    /// The tests of other projects, which may run at the same time, take theirs from other thousands.
    /// </summary>
    public static async Task<ServeTool> StartToComeBackAsync(params string[] arguments)
    {
        while (true)
        {
            int port = Random.Shared.Next(24_000, 26_000);
            using (var probe = new TcpListener(IPAddress.Loopback, port))
            {
                try
                {
                    probe.Start();
                }
                catch (SocketException)
                {
                    // Somebody has it.
                    continue;
                }
            }

            return await StartAtAsync(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}"), arguments);
        }
    }

    /// <summary>Starts it where these system calls are forbidden.</summary>
    public static Task<ServeTool> StartSandboxedAsync(int[] forbidden, params string[] arguments) =>
        ListeningAsync(Tool.StartSandboxed(forbidden, ["serve", "--urls", "http://127.0.0.1:0", .. arguments]));

    /// <summary>Starts it with so few file descriptors.</summary>
    public static Task<ServeTool> StartLimitedAsync(int descriptors, params string[] arguments) =>
        ListeningAsync(Tool.StartLimited(descriptors, ["serve", "--urls", "http://127.0.0.1:0", .. arguments]));

    private static async Task<ServeTool> ListeningAsync(Tool tool)
    {
        string line = await tool.WaitForErrorAsync(line => line.Contains("is listening", StringComparison.Ordinal));
        return new(tool, UrlPattern().Match(line).Value);
    }

    public Uri At(string path) => new(Socket + path);

    public ValueTask DisposeAsync() => _tool.DisposeAsync();

    [GeneratedRegex(@"https?://[^\s]+:\d+")]
    private static partial Regex UrlPattern();
}
