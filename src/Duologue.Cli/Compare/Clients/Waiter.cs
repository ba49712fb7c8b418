using System.Buffers;
using System.Net;
using System.Net.Sockets;

namespace Duologue.Cli.Compare.Clients;

/// <summary>Where a client waits, for what, and where it books it.</summary>
internal sealed record WaiterContext(Uri Server, string Topic, string After, TimeSpan Interval, Traffic Traffic, Ledger Ledger)
{
    /// <summary>A URL of the topic.</summary>
    public Uri At(string after, string more) => new(Server, $"/topics/{Topic}?after={after}{more}");
}

/// <summary>One client that waits for news in one way, on a TCP connection of its own, as each browser would.</summary>
internal abstract class Waiter : IDisposable
{
    private readonly TaskCompletionSource _waiting = new(TaskCreationOptions.RunContinuationsAsynchronously);

    protected Waiter(WaiterContext context, int number)
    {
        (Context, Number) = (context, number);
        Http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            MaxConnectionsPerServer = 1,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            PooledConnectionLifetime = Timeout.InfiniteTimeSpan,
            ActivityHeadersPropagator = null,
            ConnectCallback = ConnectAsync,
        });
    }

    /// <summary>Done when it waits for the first message.</summary>
    public Task Waiting => _waiting.Task;

    protected WaiterContext Context { get; }

    protected int Number { get; }

    protected HttpMessageInvoker Http { get; }

    public static Waiter Create(Way way, WaiterContext context, int number) => way switch
    {
        Way.Polling => new Poller(context, number, isHeld: false),
        Way.LongPolling => new Poller(context, number, isHeld: true),
        Way.ServerSentEvents => new EventStreamWaiter(context, number),
        _ => new SocketWaiter(context, number),
    };

    /// <summary>Gets messages until it is cancelled. Whatever else ends it is thrown.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await WaitForNewsAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            _waiting.TrySetCanceled(cancellationToken);
        }
        catch (Exception e)
        {
            _waiting.TrySetException(e);
            throw;
        }
    }

    public void Dispose() => Http.Dispose();

    protected abstract Task WaitForNewsAsync(CancellationToken cancellationToken);

    protected void BeginWaiting() => _waiting.TrySetResult();

    protected async Task<HttpResponseMessage> AskAsync(Uri uri, string? accept, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, uri);
        if (accept is not null)
        {
            request.Headers.TryAddWithoutValidation("Accept", accept);
        }

        Context.Traffic.AddRequest();
        HttpResponseMessage response = await Http.SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            response.Dispose();
            throw new InvalidDataException($"The server answered {(int)response.StatusCode} to {uri.PathAndQuery}.");
        }

        return response;
    }

    /// <summary>Reads into a buffer that grows as it must; answers how many bytes it then holds.</summary>
    protected static async ValueTask<int> ReadMoreAsync(Stream stream, RentedBuffer buffer, int length, CancellationToken cancellationToken)
    {
        buffer.Grow(length);
        int read = await stream.ReadAsync(buffer.Array.AsMemory(length), cancellationToken).ConfigureAwait(false);
        return length + read;
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, context.DnsEndPoint.Port, cancellationToken).ConfigureAwait(false);
            return new CountingStream(socket, Context.Traffic);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>A buffer of a client's own, from the pool.</summary>
    protected sealed class RentedBuffer : IDisposable
    {
        private const int Least = 1024;

        public byte[] Array { get; private set; } = ArrayPool<byte>.Shared.Rent(Least);

        /// <summary>Makes room behind so many bytes.</summary>
        public void Grow(int length)
        {
            if (length < Array.Length)
            {
                return;
            }

            byte[] larger = ArrayPool<byte>.Shared.Rent(Array.Length * 2);
            Array.AsSpan(0, length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(Array);
            Array = larger;
        }

        public void Dispose() => ArrayPool<byte>.Shared.Return(Array);
    }
}
