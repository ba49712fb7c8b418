using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Duologue.Client;

/// <summary>Finds the addresses of a host, most preferred first.</summary>
internal delegate Task<IPAddress[]> ResolveHost(string host, CancellationToken cancellationToken);

/// <summary>Opens a TCP connection to one address; closes what it began if cancelled.</summary>
internal delegate ValueTask<Stream> ConnectAddress(IPEndPoint endPoint, CancellationToken cancellationToken);

/// <summary>
/// Connects to whichever address of a host answers first, so that a dead address family costs 250 ms and not minutes
/// (RFC 8305, "Happy Eyeballs"). The system's resolver asks for both families and sorts by RFC 6724 (§3, §4).
/// </summary>
internal sealed class ConnectionRacer(ResolveHost resolve, ConnectAddress connect, TimeProvider timeProvider, ILogger logger)
{
    /// <summary>The Connection Attempt Delay that RFC 8305 §5 recommends.</summary>
    public static readonly TimeSpan AttemptDelay = TimeSpan.FromMilliseconds(250);

    public static readonly ResolveHost SystemResolve = Dns.GetHostAddressesAsync;

    public static readonly ConnectAddress SystemConnect = ConnectSocketAsync;

    /// <summary>Resolves and connects.</summary>
    /// <exception cref="SocketException">No address took the connection; the message tells of each.</exception>
    public async ValueTask<Stream> ConnectAsync(string host, int port, CancellationToken cancellationToken)
    {
        IPAddress[] addresses = await resolve(host, cancellationToken).ConfigureAwait(false);
        IPEndPoint[] endPoints = [.. Interleave(addresses).Select(address => new IPEndPoint(address, port))];
        if (endPoints.Length == 0)
        {
            throw new SocketException((int)SocketError.HostNotFound, $"The name {host} has no address.");
        }

        return await RaceAsync(host, endPoints, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Alternates the families, beginning with the most preferred address; within a family the order stays (RFC 8305 §4).</summary>
    internal static IEnumerable<IPAddress> Interleave(IReadOnlyList<IPAddress> addresses)
    {
        if (addresses.Count == 0)
        {
            return [];
        }

        AddressFamily first = addresses[0].AddressFamily;
        IPAddress[] preferred = [.. addresses.Where(address => address.AddressFamily == first)];
        IPAddress[] others = [.. addresses.Where(address => address.AddressFamily != first)];
        return Enumerable.Range(0, Math.Max(preferred.Length, others.Length))
            .SelectMany(i => preferred.Skip(i).Take(1).Concat(others.Skip(i).Take(1)));
    }

    // RFC 8305 §5: the next attempt starts when the last one failed or the delay is over; the first to succeed ends the others.
    private async Task<Stream> RaceAsync(string host, IPEndPoint[] endPoints, CancellationToken cancellationToken)
    {
        using var race = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = new List<Task<Attempt>>(endPoints.Length);
        var failures = new List<Attempt>(endPoints.Length);
        int next = 0;
        try
        {
            while (next < endPoints.Length || running.Count > 0)
            {
                if (next < endPoints.Length)
                {
                    running.Add(AttemptAsync(endPoints[next++], race.Token));
                }

                Task<Attempt>? ended = await FirstEndedAsync(running, withDelay: next < endPoints.Length, race.Token).ConfigureAwait(false);
                if (ended is null)
                {
                    continue;
                }

                running.Remove(ended);
                Attempt attempt = await ended.ConfigureAwait(false);
                if (attempt.Stream is not null)
                {
                    return attempt.Stream;
                }

                failures.Add(attempt);
            }
        }
        finally
        {
            await race.CancelAsync().ConfigureAwait(false);
            foreach (Task<Attempt> loser in running)
            {
                _ = CloseLoserAsync(loser);
            }
        }

        throw Failure(host, failures);
    }

    /// <summary>The first attempt that ended, or null if the delay was over before.</summary>
    private async Task<Task<Attempt>?> FirstEndedAsync(List<Task<Attempt>> running, bool withDelay, CancellationToken cancellationToken)
    {
        if (!withDelay)
        {
            return await Task.WhenAny(running).WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task delay = Task.Delay(AttemptDelay, timeProvider, ended.Token);
        Task first = await Task.WhenAny([.. running, delay]).ConfigureAwait(false);
        await ended.CancelAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return first == delay ? null : (Task<Attempt>)first;
    }

    /// <summary>Tries one address. Throws only if cancelled.</summary>
    private async Task<Attempt> AttemptAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        try
        {
            return new Attempt(endPoint, await connect(endPoint, cancellationToken).ConfigureAwait(false), null);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // Not the end: the next address may answer. If none does, the caller is told of each.
            logger.ConnectAttemptFailed(endPoint, e.Message);
            return new Attempt(endPoint, null, e);
        }
    }

    private static async Task CloseLoserAsync(Task<Attempt> loser)
    {
        // How it failed is of no interest any more: another has won, or the caller gave up. But it may have connected before it saw that.
        await ((Task)loser).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (loser.IsCompletedSuccessfully && (await loser.ConfigureAwait(false)).Stream is { } stream)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static SocketException Failure(string host, List<Attempt> failures)
    {
        string each = string.Join("; ", failures.Select(failure => $"{failure.EndPoint}: {failure.Error!.Message}"));
        SocketError code = failures.Select(failure => failure.Error).OfType<SocketException>().FirstOrDefault()?.SocketErrorCode ?? SocketError.SocketError;
        return new SocketException((int)code, $"No address of {host} took the connection: {each}.");
    }

    private static async ValueTask<Stream> ConnectSocketAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        // Messages are small and wait for nobody: no Nagle.
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endPoint, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>How one attempt ended: with a stream or an error.</summary>
    private readonly record struct Attempt(IPEndPoint EndPoint, Stream? Stream, Exception? Error);
}
