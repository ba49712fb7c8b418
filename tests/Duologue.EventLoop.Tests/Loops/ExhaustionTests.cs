using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;

namespace Duologue.EventLoop.Tests.Loops;

/// <summary>What happens when the process has no file descriptor left.</summary>
[Collection(Alone.Name)]
public partial class ExhaustionTests
{
    private const int DescriptorLimit = 7;

    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Accepting_rests_without_spinning_and_goes_on(EventLoopBackend backend)
    {
        List<Socket> clients = [];
        List<Socket> fillers = [];
        ulong before = GetLimit();

        // From the start: the kernel holds an accept of io_uring to the limit of when it was asked for.
        int limit = CountDescriptors() + 400;
        SetLimit((ulong)limit);
        ThreadPool.GetMinThreads(out int workers, out int ports);
        ThreadPool.SetMinThreads(32, ports);
        try
        {
            await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapGet("/", () => "hello"));
            await AskAsync(await ConnectAsync(host));
            await Eventually.True(() => host.SocketCount == 0, () => "The first connection is still there.");

            // Without descriptors the runtime can start no thread and load no assembly: what it will need is to be there.
            _ = Dns.GetHostName();
            using var all = new Barrier(32);
            await Task.WhenAll(Enumerable.Range(0, all.ParticipantCount).Select(_ => Task.Run(() => all.SignalAndWait(LoopHost.Patience), Token)));

            // Room for the clients, and for half of what the server would accept.
            const int count = 40;
            for (int i = 0; i < count; i++)
            {
                clients.Add(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            }

            while (CountDescriptors() < limit - (count / 2))
            {
                fillers.Add(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            }

            foreach (Socket client in clients)
            {
                await client.ConnectAsync(IPAddress.Loopback, host.Url.Port, Token);
            }

            await Eventually.True(() => Has(host, "AcceptPaused"), () => "The log does not say that accepting rests.");
            TimeSpan usedBefore = Environment.CpuUsage.TotalTime;
            await Task.Delay(1000, Token);
            TimeSpan used = Environment.CpuUsage.TotalTime - usedBefore;
            Assert.True(used < TimeSpan.FromMilliseconds(600), $"A second of rest took {used} of processor time.");

            // Whoever was accepted is served; as they go, the others come.
            await Task.WhenAll(clients.Select(AskAsync));
            Assert.True(Has(host, "AcceptResumed"));
        }
        finally
        {
            SetLimit(before);
            ThreadPool.SetMinThreads(workers, ports);
            clients.ForEach(client => client.Dispose());
            fillers.ForEach(filler => filler.Dispose());
        }
    }

    private static bool Has(LoopHost host, string name) => host.Log.GetSnapshot().Any(record => record.Id.Name == name);

    private static async Task<Socket> ConnectAsync(LoopHost host)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, host.Url.Port, Token);
        return socket;
    }

    private static async Task AskAsync(Socket client)
    {
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"u8.ToArray(), Token);
        byte[] buffer = new byte[1024];
        int total = 0;
        int read;
        while ((read = await client.ReceiveAsync(buffer, Token).AsTask().WaitAsync(LoopHost.Patience, Token)) > 0)
        {
            total += read;
        }

        Assert.NotEqual(0, total);
        client.Dispose();
    }

    private static int CountDescriptors() => Directory.GetFiles("/proc/self/fd").Length;

    private static unsafe ulong GetLimit()
    {
        Limit limit;
        Assert.Equal(0, GetResourceLimit(DescriptorLimit, &limit));
        return limit.Current;
    }

    private static unsafe void SetLimit(ulong value)
    {
        Limit limit;
        Assert.Equal(0, GetResourceLimit(DescriptorLimit, &limit));
        limit.Current = value;
        Assert.Equal(0, SetResourceLimit(DescriptorLimit, &limit));
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static unsafe partial int GetResourceLimit(int resource, Limit* limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static unsafe partial int SetResourceLimit(int resource, Limit* limit);

    [StructLayout(LayoutKind.Sequential)]
    private struct Limit
    {
        public ulong Current;
        public ulong Maximum;
    }
}
