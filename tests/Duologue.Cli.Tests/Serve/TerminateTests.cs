using System.Buffers.Binary;
using Duologue.Cli.Tests.Support;

namespace Duologue.Cli.Tests.Serve;

/// <summary>The system ends the server in the middle of its work.</summary>
public sealed class TerminateTests
{
    private const int Peers = 60;
    private const int InFlight = 8;

    [Theory]
    [InlineData("off")]
    [InlineData("epoll")]
    [InlineData("io_uring")]
    public async Task Every_peer_is_told_by_a_close_frame_and_the_server_ends_well(string eventLoop)
    {
        await using ServeTool server = await ServeTool.StartAsync("--event-loop", eventLoop, "--loops", "2", "--close-timeout", "20s");
        TestClient[] clients = await Task.WhenAll(Enumerable.Range(0, Peers).Select(_ => TestClient.ConnectAsync(server.At("/echo"))));
        await using TestClient listener = await TestClient.ConnectAsync(server.At("/fanout"));
        Task<CloseInfo> listening = listener.ClosedAsync();
        using var atWork = new CountdownEvent(Peers);
        Task<CloseInfo>[] talks = [.. clients.Select((client, i) => Task.Run(() => TalkAsync(client, 16 + (i * 797), atWork), TestContext.Current.CancellationToken))];
        Assert.True(await Task.Run(() => atWork.Wait(Tool.Patience, TestContext.Current.CancellationToken), TestContext.Current.CancellationToken), "Not all peers were answered.");

        server.Tool.Terminate();
        CloseInfo[] ends = await Task.WhenAll([.. talks, listening]).WaitAsync(Tool.Patience, TestContext.Current.CancellationToken);
        Assert.All(ends, end => Assert.Equal((1001, true, true), (end.Code, end.ByPeer, end.WasClean)));
        (int exitCode, _, string error) = await server.Tool.WaitAsync();
        Assert.True(exitCode == 0, $"Exit code {exitCode}: {error}");
        foreach (TestClient client in clients)
        {
            await client.DisposeAsync();
        }
    }

    /// <summary>Sends numbered messages without pause and checks the answers, until the server ends it.</summary>
    private static async Task<CloseInfo> TalkAsync(TestClient client, int size, CountdownEvent atWork)
    {
        byte[] message = new byte[size];
        uint sent = 0;
        try
        {
            for (uint answered = 0; ; answered++)
            {
                for (; sent - answered < InFlight; sent++)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(message, sent);
                    client.Connection.Send(message, MessageType.Binary);
                }

                (_, byte[] data, _) = await client.ReceiveAsync();
                Assert.Equal((size, answered), (data.Length, BinaryPrimitives.ReadUInt32LittleEndian(data)));
                if (answered == 20)
                {
                    atWork.Signal();
                }
            }
        }
        catch (ConnectionClosedException e)
        {
            return e.CloseInfo;
        }
    }
}
