using System.Text;

namespace Duologue.Browser;

/// <summary>
/// The browser's WebSocket in C# dress: the names, the order of events and the timing of states are those of the WHATWG
/// standard, so that what is known of the one holds for the other.
/// </summary>
/// <remarks>
/// Events come one at a time and in order: on the <see cref="SynchronizationContext"/> that was current when the
/// object was made, if there was one, else on the thread pool. There, for its first 100 ms, an event waits until a listener for
/// it has been added, so that none is missed by code that adds its listeners right after the constructor.
/// All members may be used from any thread. What a listener throws stops neither the other listeners nor the connection; see
/// <see cref="WebSocketOptions.UnhandledListenerException"/>.
/// Source: https://websockets.spec.whatwg.org.
/// </remarks>
public sealed partial class WebSocket
{
    private readonly WebSocketOptions _options;
    private readonly UrlRecord _url;
    private readonly EventListeners _listeners = new();
    private readonly EventTaskQueue _tasks;
    private readonly OutgoingQueue _outgoing;
    private volatile BinaryType _binaryType = BinaryType.Blob;

    /// <summary>Connects to an address. Returns at once; <c>open</c> or <c>error</c> tells what came of it.</summary>
    /// <param name="url">An absolute ws, wss, http or https URL, without a fragment.</param>
    /// <exception cref="DomException">SyntaxError: the URL is wrong.</exception>
    public WebSocket(string url)
        : this(url, [], WebSocketOptions.Default)
    {
    }

    /// <summary>Connects to an address, asking for a subprotocol.</summary>
    /// <param name="url">An absolute ws, wss, http or https URL, without a fragment.</param>
    /// <param name="protocol">The subprotocol; a token of RFC 9110 §5.6.2. The connection fails if the server does not agree to it.</param>
    /// <exception cref="DomException">SyntaxError: the URL or the subprotocol is wrong.</exception>
    public WebSocket(string url, string protocol)
        : this(url, [protocol], WebSocketOptions.Default)
    {
    }

    /// <summary>Connects to an address, asking for one of some subprotocols.</summary>
    /// <param name="url">An absolute ws, wss, http or https URL, without a fragment.</param>
    /// <param name="protocols">The subprotocols, the preferred first. The connection fails if the server agrees to none.</param>
    /// <exception cref="DomException">SyntaxError: the URL or a subprotocol is wrong, or one is there twice, compared without case.</exception>
    public WebSocket(string url, IEnumerable<string> protocols)
        : this(url, ToList(protocols), WebSocketOptions.Default)
    {
    }

    /// <summary>Connects to an address, with what a page would bring along.</summary>
    /// <param name="url">A ws, wss, http or https URL, without a fragment; relative to <see cref="WebSocketOptions.BaseUrl"/> if that is set.</param>
    /// <param name="options">Base, subprotocols, network settings and callbacks.</param>
    /// <exception cref="DomException">SyntaxError: the URL, the base or a subprotocol is wrong.</exception>
    /// <exception cref="ArgumentException">An option is wrong; the message names it.</exception>
    public WebSocket(string url, WebSocketOptions options)
        : this(url, options?.Protocols ?? throw new ArgumentNullException(nameof(options)), options)
    {
    }

    private WebSocket(string url, IReadOnlyList<string> protocols, WebSocketOptions options)
    {
        ArgumentNullException.ThrowIfNull(url);
        options.Validate();
        _options = options;
        _url = WebSocketUrl.Parse(url, options.BaseUrl);
        ProtocolNames.Validate(protocols);
        SynchronizationContext? context = SynchronizationContext.Current;
        _tasks = new EventTaskQueue(context, context is null ? new ListenerGrace(_listeners).Remaining : null, BeginTask, ReportUnhandled);
        _outgoing = new OutgoingQueue(_tasks, options.MaxSendMemory, FailConnection, TellOfFullMemory);
        BeginConnecting(protocols);
    }

    /// <summary>The address as the standard serializes it: scheme ws or wss, host in punycode. User info is not shown.</summary>
    public string Url => _url.Href;

    /// <summary>The stage of the connection. It changes within event tasks, and at once by <see cref="Close()"/>.</summary>
    public ReadyState ReadyState => _state;

    /// <summary>
    /// Bytes of application data given to Send that had not been handed to the network when the current event task began,
    /// text as UTF-8. It rises at once, falls only between event tasks, and goes on rising after the closing began.
    /// </summary>
    public ulong BufferedAmount => _outgoing.BufferedAmount;

    /// <summary>The extensions that the server chose; empty before <c>open</c> and if there are none.</summary>
    public string Extensions { get; private set; } = "";

    /// <summary>The subprotocol that the server chose; empty before <c>open</c> and if there is none.</summary>
    public string Protocol { get; private set; } = "";

    /// <summary>How binary messages are given to listeners; read when a message's event task runs. Default <see cref="BinaryType.Blob"/>. A value that is none of the enumeration is ignored.</summary>
    public BinaryType BinaryType
    {
        get => _binaryType;
        set => _binaryType = Enum.IsDefined(value) ? value : _binaryType;
    }

    /// <summary>Called when the connection is established. It keeps the place among the listeners that its first setting gave it; null removes it.</summary>
    public Action<Event>? OnOpen
    {
        get => (Action<Event>?)_listeners.GetHandler(EventTypes.Open);
        set => _listeners.SetHandler(EventTypes.Open, value);
    }

    /// <summary>Called for each message. It keeps the place among the listeners that its first setting gave it; null removes it.</summary>
    public Action<MessageEvent>? OnMessage
    {
        get => (Action<MessageEvent>?)_listeners.GetHandler(EventTypes.Message);
        set => _listeners.SetHandler(EventTypes.Message, value);
    }

    /// <summary>Called when the connection failed, before <see cref="OnClose"/>. It keeps the place among the listeners that its first setting gave it; null removes it.</summary>
    public Action<Event>? OnError
    {
        get => (Action<Event>?)_listeners.GetHandler(EventTypes.Error);
        set => _listeners.SetHandler(EventTypes.Error, value);
    }

    /// <summary>Called once, last. It keeps the place among the listeners that its first setting gave it; null removes it.</summary>
    public Action<CloseEvent>? OnClose
    {
        get => (Action<CloseEvent>?)_listeners.GetHandler(EventTypes.Close);
        set => _listeners.SetHandler(EventTypes.Close, value);
    }

    /// <summary>Sends a text message. Lone surrogates are sent as U+FFFD.</summary>
    /// <param name="data">The text.</param>
    /// <remarks>Never waits. Once the closing has begun it sends nothing and throws nothing, but <see cref="BufferedAmount"/> grows.</remarks>
    /// <exception cref="DomException">InvalidStateError: the connection is not yet established.</exception>
    public void Send(string data)
    {
        ArgumentNullException.ThrowIfNull(data);
        CheckConnected();
        _outgoing.AddText(data);
    }

    /// <summary>Sends a binary message out of a blob. A file is read when its turn comes, piece by piece.</summary>
    /// <param name="data">The blob. If its file cannot be read then, the connection fails.</param>
    /// <inheritdoc cref="Send(string)" path="/remarks|/exception"/>
    public void Send(Blob data)
    {
        ArgumentNullException.ThrowIfNull(data);
        CheckConnected();
        _outgoing.AddBlob(data);
    }

    /// <summary>Sends a binary message. The bytes are copied before the call returns.</summary>
    /// <param name="data">The bytes.</param>
    /// <inheritdoc cref="Send(string)" path="/remarks|/exception"/>
    public void Send(ReadOnlySpan<byte> data)
    {
        CheckConnected();
        _outgoing.AddBinary(data);
    }

    /// <inheritdoc cref="Send(ReadOnlySpan{byte})"/>
    public void Send(ReadOnlyMemory<byte> data) => Send(data.Span);

    /// <inheritdoc cref="Send(ReadOnlySpan{byte})"/>
    public void Send(byte[] data)
    {
        ArgumentNullException.ThrowIfNull(data);
        Send(data.AsSpan());
    }

    /// <summary>
    /// Closes without a code. What was sent before leaves first; <c>close</c> fires when the peer has answered, then with code 1005
    /// if it did so in kind. While connecting it gives up at once. Closing twice does nothing.
    /// </summary>
    public void Close() => Close(null, "");

    /// <summary>Closes with a code; see <see cref="Close()"/>.</summary>
    /// <param name="code">1000, or 3000 to 4999.</param>
    /// <exception cref="DomException">InvalidAccessError: another code.</exception>
    public void Close(ushort code) => Close((ushort?)code, "");

    /// <summary>Closes with a code and a reason; see <see cref="Close()"/>.</summary>
    /// <param name="code">1000, or 3000 to 4999.</param>
    /// <param name="reason">At most 123 UTF-8 bytes. Lone surrogates are sent as U+FFFD.</param>
    /// <exception cref="DomException">InvalidAccessError: another code. SyntaxError: the reason is too long.</exception>
    public void Close(ushort code, string reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        Close((ushort?)code, reason);
    }

    /// <summary>Adds a listener after those that are there. The same one is added only once per type.</summary>
    /// <param name="type"><c>open</c>, <c>message</c>, <c>error</c> or <c>close</c>; other events never fire.</param>
    /// <param name="listener">Called for each event. Two delegates are the same if they call the same method of the same object.</param>
    public void AddEventListener(string type, Action<Event> listener) => AddListener(type, listener, once: false);

    /// <inheritdoc cref="AddEventListener(string, Action{Event})"/>
    /// <param name="type"><c>open</c>, <c>message</c>, <c>error</c> or <c>close</c>; other events never fire.</param>
    /// <param name="listener">Called for each event. Two delegates are the same if they call the same method of the same object.</param>
    /// <param name="options">Whether to call it once only.</param>
    public void AddEventListener(string type, Action<Event> listener, AddEventListenerOptions options) => AddListener(type, listener, Once(options));

    /// <inheritdoc cref="AddEventListener(string, Action{Event})"/>
    /// <exception cref="ArgumentException"><paramref name="type"/> is another event than <c>message</c>.</exception>
    public void AddEventListener(string type, Action<MessageEvent> listener) => AddTypedListener(type, EventTypes.Message, listener, once: false);

    /// <inheritdoc cref="AddEventListener(string, Action{Event}, AddEventListenerOptions)"/>
    /// <exception cref="ArgumentException"><paramref name="type"/> is another event than <c>message</c>.</exception>
    public void AddEventListener(string type, Action<MessageEvent> listener, AddEventListenerOptions options) => AddTypedListener(type, EventTypes.Message, listener, Once(options));

    /// <inheritdoc cref="AddEventListener(string, Action{Event})"/>
    /// <exception cref="ArgumentException"><paramref name="type"/> is another event than <c>close</c>.</exception>
    public void AddEventListener(string type, Action<CloseEvent> listener) => AddTypedListener(type, EventTypes.Close, listener, once: false);

    /// <inheritdoc cref="AddEventListener(string, Action{Event}, AddEventListenerOptions)"/>
    /// <exception cref="ArgumentException"><paramref name="type"/> is another event than <c>close</c>.</exception>
    public void AddEventListener(string type, Action<CloseEvent> listener, AddEventListenerOptions options) => AddTypedListener(type, EventTypes.Close, listener, Once(options));

    /// <summary>Removes a listener. One that is not there is no error. It is not called any more, not even for an event under way.</summary>
    /// <param name="type">The type that it was added for.</param>
    /// <param name="listener">The listener.</param>
    public void RemoveEventListener(string type, Action<Event> listener) => RemoveListener(type, listener);

    /// <inheritdoc cref="RemoveEventListener(string, Action{Event})"/>
    public void RemoveEventListener(string type, Action<MessageEvent> listener) => RemoveListener(type, listener);

    /// <inheritdoc cref="RemoveEventListener(string, Action{Event})"/>
    public void RemoveEventListener(string type, Action<CloseEvent> listener) => RemoveListener(type, listener);

    private static List<string> ToList(IEnumerable<string> protocols)
    {
        ArgumentNullException.ThrowIfNull(protocols);
        return [.. protocols];
    }

    private static bool Once(AddEventListenerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.Once;
    }

    private void AddTypedListener(string type, string onlyType, Delegate listener, bool once)
    {
        if (type != onlyType)
        {
            throw new ArgumentException($"A listener for '{type}' events cannot take a parameter that only '{onlyType}' events give; let it take an Event.", nameof(listener));
        }

        AddListener(type, listener, once);
    }

    private void AddListener(string type, Delegate listener, bool once)
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(listener);
        _listeners.Add(type, listener, once);
    }

    private void RemoveListener(string type, Delegate listener)
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(listener);
        _listeners.Remove(type, listener);
    }

    private void CheckConnected()
    {
        if (_state == ReadyState.Connecting)
        {
            throw DomException.InvalidState("The WebSocket is still connecting: send in OnOpen, or after it.");
        }
    }

    private void Close(ushort? code, string reason)
    {
        if (code is not (null or 1000 or (>= 3000 and <= 4999)))
        {
            throw DomException.InvalidAccess($"The close code is {code}; it must be 1000 or from 3000 to 4999.");
        }

        byte[] utf8 = Encoding.UTF8.GetBytes(reason);
        if (utf8.Length > 123)
        {
            throw DomException.Syntax($"The close reason has {utf8.Length} bytes of UTF-8; it must have at most 123.");
        }

        // Decoded again, since lone surrogates are U+FFFD now.
        BeginClosing(code, Encoding.UTF8.GetString(utf8));
    }
}
