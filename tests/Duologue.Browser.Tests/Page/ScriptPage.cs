using Jint;
using Jint.Native;
using Jint.Runtime;

namespace Duologue.Browser.Tests.Page;

/// <summary>
/// A page without a browser: Jint runs its script, <see cref="PageLoop"/> its tasks, and <c>WebSocket</c> and <c>Blob</c> are
/// the C# classes. What page.js calls of it is in <see cref="PageHost"/>.
/// </summary>
internal sealed class ScriptPage : IAsyncDisposable
{
    private static readonly string Globals = Resource.Text("Page/page.js");

    private readonly Engine _engine = new();
    private readonly PageLoop _loop;
    private readonly PageHost _host;
    private readonly List<string> _console = [];
    private readonly List<string> _uncaught = [];
    private readonly List<(string Line, TaskCompletionSource Source)> _waits = [];

    /// <param name="address">Where the page lies: relative URLs resolve against it, and its origin is sent.</param>
    public ScriptPage(Uri address)
    {
        _loop = new PageLoop(() => _engine.Advanced.ProcessTasks(), ReportUncaught);
        _host = new PageHost(_engine, _loop, address, WriteConsole, ReportUncaught);
        _loop.Post(_ => _host.Attach(_engine.Call(_engine.Evaluate(Globals), JsValue.Undefined, [JsValue.FromObject(_engine, _host)])), null);
    }

    /// <summary>What the person at the page has chosen in its file input.</summary>
    public IReadOnlyList<Blob> ChosenFiles
    {
        get => _host.Files;
        init => _host.Files = value;
    }

    /// <summary>The lines given to console.log so far.</summary>
    public IReadOnlyList<string> Console => Copy(_console);

    /// <summary>What scripts threw and nobody caught.</summary>
    public IReadOnlyList<string> Uncaught => Copy(_uncaught);

    /// <summary>Runs a script as a task of its own, as a script element is.</summary>
    public Task RunAsync(string script) => OnLoopAsync(() => _engine.Execute(script));

    /// <summary>Gives JavaScript a word to call.</summary>
    public Task DefineAsync(string name, Delegate function) => OnLoopAsync(() => _engine.SetValue(name, function));

    /// <summary>Evaluates an expression in a task of its own.</summary>
    public async Task<string> EvaluateAsync(string expression)
    {
        string result = "";
        await OnLoopAsync(() => result = TypeConverter.ToString(_engine.Evaluate(expression)));
        return result;
    }

    /// <summary>Waits until console.log was given a line.</summary>
    public Task LoggedAsync(string line)
    {
        var source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_console)
        {
            if (_console.Contains(line))
            {
                return Task.CompletedTask;
            }

            _waits.Add((line, source));
        }

        return source.Task.WaitAsync(Patience.Time, TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _loop.Dispose();
        await _loop.Ended;
        _engine.Dispose();
    }

    private async Task OnLoopAsync(Action action)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _loop.Post(
            _ =>
            {
                try
                {
                    action();
                    done.SetResult();
                }
                catch (JavaScriptException error)
                {
                    done.SetException(error);
                }
            },
            null);
        await done.Task.WaitAsync(Patience.Time, TestContext.Current.CancellationToken);
    }

    private void WriteConsole(string line)
    {
        lock (_console)
        {
            _console.Add(line);
            foreach ((string awaited, TaskCompletionSource source) in _waits)
            {
                if (awaited == line)
                {
                    source.TrySetResult();
                }
            }
        }
    }

    private void ReportUncaught(Exception error)
    {
        lock (_uncaught)
        {
            _uncaught.Add(error.Message);
        }

        if (error is JavaScriptException script)
        {
            _host.DispatchUncaught(script.Error);
        }
    }

    private static List<string> Copy(List<string> list)
    {
        lock (list)
        {
            return [.. list];
        }
    }
}
