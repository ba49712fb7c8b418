using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;
using Duologue.Client;

namespace Duologue;

/// <summary>
/// A client that comes back: one conversation after the other with the same server, for as long as the application wants. What is sent while it is away is kept or dropped, as each send says; what
/// was lost, or is unknown, is told by <see cref="MessagesLost"/>. For topics, whose messages are resumed exactly, see <see cref="TopicClient"/>. Thread-safe.
/// </summary>
/// <example>
/// <code>
/// await using var client = new DuologueClient(new Uri("wss://example.com/talk"));
/// client.MessagesLost += (_, lost) => Console.WriteLine($"{lost.Count} messages: {lost.Fate}");
/// client.Start();
/// client.Send("hello", WhenAway.Keep);
/// await foreach (Message message in client.ReadAllAsync())
///     Console.WriteLine(message.Text);
/// </code>
/// </example>
public sealed partial class DuologueClient : IAsyncDisposable
{
    /// <summary>Makes a client with the default options; it does nothing until it is started.</summary>
    /// <param name="uri">As of <see cref="Connection.ConnectAsync(Uri)"/>.</param>
    /// <exception cref="ArgumentException">The URI cannot be used; the message says why.</exception>
    public DuologueClient(Uri uri)
        : this(uri, new DuologueClientOptions())
    {
    }

    /// <summary>Makes a client; it does nothing until it is started.</summary>
    /// <param name="uri">As of <see cref="Connection.ConnectAsync(Uri)"/>.</param>
    /// <param name="options">How it connects and comes back.</param>
    /// <exception cref="ArgumentException">The URI or an option cannot be used; the message says which and why.</exception>
    public DuologueClient(Uri uri, DuologueClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(uri);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _uri = WebSocketUri.Normalize(uri);
        _options = options;
        _report = new ClientReport(_uri, options);
        _backoff = new Backoff(options);
        _state = new StateCell(Tell);
        _kept = new KeptMessages(options.Connect.TimeProvider, options.MaxKeptBytes, OnLost);
    }

    /// <summary>The state has changed. One at a time, in order, with no lock held; must not block.</summary>
    public event EventHandler<ClientStateEventArgs>? StateChanged;

    /// <summary>
    /// Messages were not sent, or nobody knows whether they have arrived. With no lock held, from the thread that finds it out, so perhaps from several at once; must not block.
    /// </summary>
    public event EventHandler<MessagesLostEventArgs>? MessagesLost;

    /// <summary>How things stand.</summary>
    public ClientState State => _state.State;

    /// <summary>The conversation that is open; null while there is none. To look at, and to ping: what is sent on it is not kept, and if this side closes it the client comes back.</summary>
    public Connection? Connection => _current is { } connection && !connection.Closed.IsCompleted ? connection : null;

    /// <summary>Completes, never faults, when the client does not come back any more, and says why. Not before it was started.</summary>
    public Task<ClientStateEventArgs> Ended => _ended.Task;

    /// <summary>Begins to connect. Of no effect if it has been called before.</summary>
    /// <exception cref="ObjectDisposedException">The client is disposed, or the application has closed it.</exception>
    public void Start()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed || _stop.IsCancellationRequested, this);
            _running ??= Task.Run(RunAsync);
        }
    }

    /// <summary>Starts, and waits until the first conversation is open.</summary>
    /// <param name="cancellationToken">Stops the waiting, not the client.</param>
    /// <exception cref="HandshakeException">The server refuses, and the client has given up.</exception>
    /// <exception cref="ConnectionClosedException">The client has ended.</exception>
    /// <exception cref="ObjectDisposedException">The client is disposed, or the application had closed it before.</exception>
    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        Start();
        Task first = await Task.WhenAny(_opened.Task, _ended.Task).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (first == _ended.Task && !_opened.Task.IsCompleted)
        {
            throw EndOf(await _ended.Task.ConfigureAwait(false));
        }
    }

    /// <summary>Sends text, or keeps or drops it while the client is away. Never waits; text without a pair to its surrogate is sent as U+FFFD.</summary>
    /// <param name="text">The text.</param>
    /// <param name="whenAway">What becomes of it while the client is away.</param>
    /// <returns>The message's number, by which <see cref="MessagesLost"/> names it: 1, 2, 3 and so on.</returns>
    public long Send(string text, WhenAway whenAway)
    {
        ArgumentNullException.ThrowIfNull(text);
        return _kept.Add(Encoding.UTF8.GetBytes(text), MessageType.Text, whenAway, isWaitedFor: false).Number;
    }

    /// <summary>Sends a message, or keeps or drops it while the client is away. Never waits.</summary>
    /// <param name="data">The payload; for text, valid UTF-8. Copied before the call returns.</param>
    /// <param name="type">Text or binary.</param>
    /// <param name="whenAway">What becomes of it while the client is away.</param>
    /// <returns>The message's number, by which <see cref="MessagesLost"/> names it: 1, 2, 3 and so on.</returns>
    /// <exception cref="ArgumentException"><paramref name="type"/> is text and <paramref name="data"/> is not UTF-8.</exception>
    public long Send(ReadOnlySpan<byte> data, MessageType type, WhenAway whenAway)
    {
        Check(data, type);
        return _kept.Add(data.ToArray(), type, whenAway, isWaitedFor: false).Number;
    }

    /// <summary>Sends text, or keeps or drops it while the client is away, and waits until it is known what has become of it.</summary>
    /// <param name="text">The text. Lone surrogates are sent as U+FFFD.</param>
    /// <param name="whenAway">What becomes of it while the client is away.</param>
    /// <param name="cancellationToken">Takes it back if it is still waiting; of no effect on one that is on its way.</param>
    public ValueTask<MessageFate> SendAsync(string text, WhenAway whenAway, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(text);
        return WaitAsync(_kept.Add(Encoding.UTF8.GetBytes(text), MessageType.Text, whenAway, isWaitedFor: true), cancellationToken);
    }

    /// <summary>Sends a message, or keeps or drops it while the client is away, and waits until it is known what has become of it.</summary>
    /// <param name="data">The payload; for text, valid UTF-8. Copied before the call returns.</param>
    /// <param name="type">Text or binary.</param>
    /// <param name="whenAway">What becomes of it while the client is away.</param>
    /// <param name="cancellationToken">Takes it back if it is still waiting; of no effect on one that is on its way.</param>
    /// <exception cref="ArgumentException"><paramref name="type"/> is text and <paramref name="data"/> is not UTF-8.</exception>
    public ValueTask<MessageFate> SendAsync(ReadOnlyMemory<byte> data, MessageType type, WhenAway whenAway, CancellationToken cancellationToken)
    {
        Check(data.Span, type);
        return WaitAsync(_kept.Add(data.ToArray(), type, whenAway, isWaitedFor: true), cancellationToken);
    }

    /// <inheritdoc cref="ReadAllAsync(CancellationToken)"/>
    public IAsyncEnumerable<Message> ReadAllAsync() => ReadAllAsync(CancellationToken.None);

    /// <summary>
    /// All messages of all conversations, in order, until the client ends. One reader at a time. A message's bytes are valid until the next is asked for. The client comes back while what
    /// came before the cut is still being read, up to eight conversations ahead. While nobody reads, those of the oldest conversation but eight are let go of, which is logged and counted.
    /// </summary>
    /// <param name="cancellationToken">Stops the reading; no message is lost by it.</param>
    /// <exception cref="InvalidOperationException">Somebody reads already.</exception>
    /// <exception cref="HandshakeException">The server refuses, and the client has given up.</exception>
    public async IAsyncEnumerable<Message> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _isRead, 1) != 0)
        {
            throw new InvalidOperationException("Somebody reads from this client already; one reader at a time.");
        }

        try
        {
            while (_reading is not null || await _unread.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false) || Volatile.Read(ref _last) is not null)
            {
                _reading ??= _unread.Reader.TryRead(out Connection? next) ? next : Interlocked.Exchange(ref _last, null);
                while (_reading is { } reading)
                {
                    Message message;
                    try
                    {
                        message = await reading.ReceiveAsync(cancellationToken).ConfigureAwait(false);
                    }
                    catch (ConnectionClosedException)
                    {
                        // How it ended is told by the state; what it had received has been read.
                        _reading = null;
                        break;
                    }

                    yield return message;
                }
            }
        }
        finally
        {
            Volatile.Write(ref _isRead, 0);
        }

        if (await _ended.Task.ConfigureAwait(false) is { Failure: HandshakeException failure })
        {
            throw failure;
        }
    }

    /// <summary>Sends what is waiting, if the conversation is open, closes it with 1000, and ends: the client does not come back.</summary>
    /// <returns>How it ended.</returns>
    public ValueTask<ClientStateEventArgs> CloseAsync() => CloseAsync(1000, "");

    /// <summary>Sends what is waiting, if the conversation is open, closes it, and ends: the client does not come back.</summary>
    /// <param name="code">As of <see cref="Connection.CloseAsync(ushort, string)"/>.</param>
    /// <param name="reason">At most 123 UTF-8 bytes.</param>
    /// <returns>How it ended.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The code may not be sent (RFC 6455 §7.4).</exception>
    /// <exception cref="ArgumentException">The reason is too long.</exception>
    public async ValueTask<ClientStateEventArgs> CloseAsync(ushort code, string reason)
    {
        // Without a conversation there is nobody to say it to; it is judged nevertheless.
        Protocol.CloseFrame.ThrowIfUnsendable(code, reason, Protocol.Role.Client);
        bool begins;
        lock (_lock)
        {
            begins = !_isDisposed && !_stop.IsCancellationRequested;
            if (begins)
            {
                _closing = (code, reason);
                _running ??= Task.Run(RunAsync);
            }
        }

        if (begins)
        {
            await _stop.CancelAsync().ConfigureAwait(false);
        }

        return await _ended.Task.ConfigureAwait(false);
    }

    /// <summary>Closes as <see cref="CloseAsync()"/> does, and releases the client.</summary>
    public async ValueTask DisposeAsync()
    {
        Task? running;
        bool isFirst;
        lock (_lock)
        {
            (running, isFirst, _isDisposed) = (_running, !_isDisposed, true);
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        if (running is null && isFirst)
        {
            Finish(null, null);
        }

        // Another call may be at it.
        await (running ?? _ended.Task).ConfigureAwait(false);
    }

    private static void Check(ReadOnlySpan<byte> data, MessageType type)
    {
        if (type is not (MessageType.Text or MessageType.Binary))
        {
            throw new ArgumentOutOfRangeException(nameof(type), type, "A message is text or binary.");
        }

        if (type == MessageType.Text && !Utf8.IsValid(data))
        {
            throw new ArgumentException("The data is not valid UTF-8; send it as binary, or correct it.", nameof(data));
        }
    }
}
