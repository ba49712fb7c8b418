using System.Runtime.CompilerServices;
using Jint;
using Jint.Native;

namespace Duologue.Browser.Tests.Page;

/// <summary>One C# WebSocket behind its JavaScript object. Used on the loop's thread.</summary>
internal sealed class SocketHost(PageHost page, JsValue wrapper, WebSocket socket)
{
    // All listeners of an event are given the same object.
    private readonly ConditionalWeakTable<Event, JsValue> _events = [];

    // One callback per function: its delegates are equal, and the class knows a listener again by that.
    private readonly Dictionary<JsValue, Callback> _callbacks = new(ReferenceEqualityComparer.Instance);

    public string Url => socket.Url;

    public int ReadyState => (int)socket.ReadyState;

    public double BufferedAmount => socket.BufferedAmount;

    public string Extensions => socket.Extensions;

    public string Protocol => socket.Protocol;

    public string BinaryType
    {
        get => socket.BinaryType == Browser.BinaryType.Blob ? "blob" : "arraybuffer";
        set => socket.BinaryType = value switch
        {
            "blob" => Browser.BinaryType.Blob,
            "arraybuffer" => Browser.BinaryType.ArrayBuffer,
            _ => (BinaryType)(-1),
        };
    }

    public void SendText(string text) => page.Checked(() =>
    {
        socket.Send(text);
        return true;
    });

    public void SendBytes(JsValue bytes) => page.Checked(() =>
    {
        socket.Send(bytes.AsUint8Array());
        return true;
    });

    public void SendBlob(Blob blob) => page.Checked(() =>
    {
        socket.Send(blob);
        return true;
    });

    /// <param name="code">-1 for none.</param>
    /// <param name="reason">Empty for none.</param>
    public void Close(int code, string reason) => page.Checked(() =>
    {
        if (code < 0)
        {
            socket.Close();
        }
        else
        {
            socket.Close((ushort)code, reason);
        }

        return true;
    });

    public void AddEventListener(string type, JsValue listener, bool once) =>
        socket.AddEventListener(type, Of(listener).Invoke, new AddEventListenerOptions { Once = once });

    public void RemoveEventListener(string type, JsValue listener) => socket.RemoveEventListener(type, Of(listener).Invoke);

    public JsValue GetHandler(string type)
    {
        Delegate? handler = type switch
        {
            "open" => socket.OnOpen,
            "message" => socket.OnMessage,
            "error" => socket.OnError,
            _ => socket.OnClose,
        };
        return handler is null ? JsValue.Null : ((Callback)handler.Target!).Function;
    }

    public void SetHandler(string type, JsValue function)
    {
        Action<Event>? handler = function.IsNull() ? null : new Callback(this, function, isHandler: true).Invoke;
        switch (type)
        {
            case "open":
                socket.OnOpen = handler;
                break;
            case "message":
                socket.OnMessage = handler;
                break;
            case "error":
                socket.OnError = handler;
                break;
            default:
                socket.OnClose = handler;
                break;
        }
    }

    private WebSocket Socket => socket;

    private PageHost Host => page;

    private JsValue Wrapper => wrapper;

    private Callback Of(JsValue function)
    {
        if (!_callbacks.TryGetValue(function, out Callback? callback))
        {
            _callbacks[function] = callback = new Callback(this, function, isHandler: false);
        }

        return callback;
    }

    private JsValue EventOf(Event e) => _events.GetValue(e, _ => e switch
    {
        MessageEvent message => page.Make("message", wrapper, page.MakeData(message.Data), new JsString(message.Origin)),
        CloseEvent => page.Make("close", wrapper, page.Wrap(e)),
        _ => page.Make("event", new JsString(e.Type), wrapper),
    });

    /// <summary>A function or, for a listener, an object with the function handleEvent (DOM §2.7); a handler that is an object is never called (HTML §8.1.8.1).</summary>
    private sealed class Callback(SocketHost socket, JsValue function, bool isHandler)
    {
        public JsValue Function => function;

        public void Invoke(Event e)
        {
            Assert.Same(socket.Socket, e.Target);
            JsValue own = socket.EventOf(e);
            if (function.IsCallable())
            {
                socket.Host.CallBack(function, socket.Wrapper, own);
            }
            else if (!isHandler)
            {
                socket.Host.CallBack(function.Get("handleEvent"), function, own);
            }
        }
    }
}
