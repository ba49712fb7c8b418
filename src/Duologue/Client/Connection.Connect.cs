using Duologue.Client;

namespace Duologue;

public abstract partial class Connection
{
    private static readonly ConnectOptions DefaultOptions = new();

    /// <inheritdoc cref="ConnectAsync(Uri, ConnectOptions, CancellationToken)"/>
    public static ValueTask<Connection> ConnectAsync(Uri uri) => ConnectAsync(uri, DefaultOptions, CancellationToken.None);

    /// <inheritdoc cref="ConnectAsync(Uri, ConnectOptions, CancellationToken)"/>
    public static ValueTask<Connection> ConnectAsync(Uri uri, CancellationToken cancellationToken) => ConnectAsync(uri, DefaultOptions, cancellationToken);

    /// <inheritdoc cref="ConnectAsync(Uri, ConnectOptions, CancellationToken)"/>
    public static ValueTask<Connection> ConnectAsync(Uri uri, ConnectOptions options) => ConnectAsync(uri, options, CancellationToken.None);

    /// <summary>Opens a conversation with a server. Thread-safe; options may be shared. Source: RFC 6455 §4.1.</summary>
    /// <param name="uri"><c>ws://</c> or <c>wss://</c>; <c>http://</c> and <c>https://</c> mean the same. No fragment.</param>
    /// <param name="options">How to connect; see each option for its default.</param>
    /// <param name="cancellationToken">Gives up the connecting; of no effect once connected.</param>
    /// <returns>The open connection.</returns>
    /// <exception cref="ArgumentException">The URI or an option cannot be used; the message says which and why.</exception>
    /// <exception cref="HandshakeException">No connection came about: name, network, proxy, TLS, timeout, or the server's answer.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled first.</exception>
    public static ValueTask<Connection> ConnectAsync(Uri uri, ConnectOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(uri);
        ArgumentNullException.ThrowIfNull(options);
        return StartAsync(ConversationConnector.OpenAsync(uri, options, cancellationToken));

        static async ValueTask<Connection> StartAsync(Task<OpenedConversation> opening)
        {
            OpenedConversation opened = await opening.ConfigureAwait(false);
            return opened.Start(null);
        }
    }
}
