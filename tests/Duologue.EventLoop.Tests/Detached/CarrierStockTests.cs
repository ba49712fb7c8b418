using System.Globalization;
using System.Runtime.CompilerServices;
using Duologue.AspNetCore;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.EventLoop.Tests.Detached;

public class CarrierStockTests
{
    private const int Count = 20;

    // A connection takes a fourth of it; what a handshake allocates is many times as much.
    private const long Near = 1024;

    [Theory]
    [MemberData(nameof(LoopHost.Backends), MemberType = typeof(LoopHost))]
    public async Task The_connections_of_a_loop_lie_side_by_side(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(
            options => (options.Backend, options.Loops) = (backend, 1), app => app.MapDuologue<EchoHandler>("/echo"), _ => { }, _ => { });
        var clients = new List<Connection>();
        for (int i = 0; i < Count; i++)
        {
            clients.Add(await Connection.ConnectAsync(new Uri($"ws://127.0.0.1:{host.Url.Port}/echo"), TestContext.Current.CancellationToken));
        }

        Connection[] connections = [.. host.Services.GetRequiredService<Connections>().OrderBy(connection => long.Parse(connection.Id, CultureInfo.InvariantCulture))];
        Assert.Equal(Count, connections.Length);

        // A collection between two looks, or the end of what an allocation may take at once, parts some.
        long[] addresses = AddressesOf(connections);
        int near = addresses.Zip(addresses.Skip(1)).Count(pair => Math.Abs(pair.Second - pair.First) < Near);
        Assert.InRange(near, Count / 2, Count);
        foreach (Connection client in clients)
        {
            await client.DisposeAsync();
        }
    }

    private static long[] AddressesOf(Connection[] connections)
    {
        long[] addresses = new long[connections.Length];
        for (int i = 0; i < addresses.Length; i++)
        {
            addresses[i] = Unsafe.As<Connection, nint>(ref connections[i]);
        }

        return addresses;
    }
}
