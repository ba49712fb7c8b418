using Jint;
using Jint.Native;
using Jint.Runtime;

namespace Duologue.Browser.Tests.Page;

/// <summary>What page.js calls: it makes the C# objects, and turns what comes out of them into JavaScript's. Used on the loop's thread.</summary>
internal sealed class PageHost(Engine engine, PageLoop loop, Uri address, Action<string> log, Action<Exception> uncaught)
{
    private JsValue _makers = JsValue.Undefined;

    public IReadOnlyList<Blob> Files { get; set; } = [];

    /// <param name="makers">What page.js returns: functions that make JavaScript's objects.</param>
    public void Attach(JsValue makers) => _makers = makers;

    public SocketHost Connect(string url, string[] protocols, JsValue wrapper) => Checked(() =>
        new SocketHost(this, wrapper, new WebSocket(url, new WebSocketOptions
        {
            BaseUrl = address.AbsoluteUri,
            Protocols = protocols,
            Connection = WebSocketOptions.DefaultConnection with { Origin = address.GetLeftPart(UriPartial.Authority) },
            UnhandledListenerException = uncaught,
        })));

    public static Blob MakeBlob(JsValue parts, string type) => new(
        parts.AsArray().Select(part =>
            part.IsUint8Array() ? BlobPart.FromByteArray(part.AsUint8Array())
            : part.IsString() ? BlobPart.FromString(part.AsString())
            : BlobPart.FromBlob((Blob)part.ToObject()!)),
        type);

    public static Blob SliceBlob(Blob blob, double start, double end, string type) => blob.Slice((long)start, (long)end, type);

    public JsValue ReadBlob(Blob blob) => Promised(blob.BytesAsync(), bytes => engine.Intrinsics.ArrayBuffer.Construct(bytes));

    public JsValue ReadText(Blob blob) => Promised(blob.TextAsync(), static text => new JsString(text));

    public Blob[] ChosenFiles() => [.. Files];

    public void Log(string line) => log(line);

    public int SetTimer(JsValue callback, double delay) => loop.SetTimer(() => engine.Call(callback), TimeSpan.FromMilliseconds(delay));

    public void ClearTimer(int timer) => loop.ClearTimer(timer);

    public void DispatchUncaught(JsValue error) => Make("uncaught", error);

    /// <summary>Calls a maker of page.js.</summary>
    public JsValue Make(string what, params JsValue[] arguments) => engine.Call(_makers.Get(what), JsValue.Undefined, arguments);

    public JsValue Wrap(object native) => JsValue.FromObject(engine, native);

    public JsValue MakeData(object data) => data switch
    {
        string text => new JsString(text),
        byte[] bytes => engine.Intrinsics.ArrayBuffer.Construct(bytes),
        _ => Make("blob", Wrap(data)),
    };

    /// <summary>Calls a script's function, and then the microtasks that it left: nothing else of the script is running (HTML §8.1.4.4).</summary>
    public void CallBack(JsValue function, JsValue self, JsValue argument)
    {
        try
        {
            engine.Call(function, self, [argument]);
        }
        finally
        {
            engine.Advanced.ProcessTasks();
        }
    }

    /// <summary>Throws what the class threw as the DOMException that it stands for.</summary>
    public T Checked<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        catch (DomException error)
        {
            throw new JavaScriptException(Make("error", new JsString(error.Name), new JsString(error.Message)));
        }
    }

    private JsValue Promised<T>(Task<T> task, Func<T, JsValue> convert)
    {
        var promise = engine.Advanced.RegisterPromise();
        task.ContinueWith(
            read => loop.Post(
                _ =>
                {
                    if (read.IsCompletedSuccessfully)
                    {
                        promise.Resolve(convert(read.Result));
                    }
                    else
                    {
                        promise.Reject(Make("error", new JsString("NotReadableError"), new JsString(read.Exception?.Message ?? "")));
                    }
                },
                null),
            TaskScheduler.Default);
        return promise.Promise;
    }
}
