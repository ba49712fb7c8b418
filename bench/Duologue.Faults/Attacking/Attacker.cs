using System.Collections.Concurrent;
using System.Net;

namespace Duologue.Faults;

/// <summary>One try of a fault: who attacks, and from where.</summary>
internal sealed class Attacker(ServerHandle server, Plan plan, int network, int index, ConcurrentBag<IDisposable> kept)
{
    private const int Hosts = 250;

    public Plan Plan => plan;

    public Uri Server => server.Url;

    /// <summary>An address of this try, so that the limits per address judge the fault they are meant for, and no other.</summary>
    public IPAddress Address => new([127, (byte)network, (byte)(index / Hosts % Hosts), (byte)(1 + (index % Hosts))]);

    /// <summary>An address that all tries of the fault share.</summary>
    public IPAddress SharedAddress => new([127, (byte)network, 255, 1]);

    public Task<RawPeer> ConnectAsync() => ConnectAsync(Address, 0);

    public Task<RawPeer> ConnectAsync(IPAddress from, int window) => RawPeer.ConnectAsync(server.Url, from, window, plan.Patience);

    /// <summary>A connection that is open.</summary>
    public Task<RawPeer> OpenAsync(string path) => OpenAsync(path, 0);

    /// <inheritdoc cref="OpenAsync(string)"/>
    public async Task<RawPeer> OpenAsync(string path, int window)
    {
        RawPeer peer = await ConnectAsync(Address, window);
        Expect(101, await peer.HandshakeAsync(path, ""), "status");
        return peer;
    }

    /// <summary>Is let go when the server has counted its end, and not before.</summary>
    public T Keep<T>(T resource)
        where T : IDisposable
    {
        kept.Add(resource);
        return resource;
    }

    public static void Expect(int expected, int actual, string what)
    {
        if (expected != actual)
        {
            throw new UnexpectedException($"{what} {actual} instead of {expected}");
        }
    }
}
