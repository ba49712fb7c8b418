using System.Net.Sockets;

namespace Duologue.Tests.Client.Proxies;

/// <summary>Carries bytes both ways until either side ends.</summary>
internal static class Tunnel
{
    public static async Task RunAsync(NetworkStream one, NetworkStream other, CancellationToken stop)
    {
        Task forth = one.CopyToAsync(other, stop);
        Task back = other.CopyToAsync(one, stop);
        await Task.WhenAny(forth, back);
        one.Dispose();
        other.Dispose();
        await forth.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await back.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
