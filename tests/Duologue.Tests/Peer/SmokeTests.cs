using Duologue.Tests.Shared;

namespace Duologue.Tests.Peer;

public sealed class SmokeTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_peers_talk_and_close()
    {
        await using MemoryPair pair = MemoryPair.Create(new ConnectionOptions { CloseTimeout = TimeSpan.FromMinutes(1) });
        Task echo = Task.Run(async () =>
        {
            await foreach (Message m in pair.Server.ReadAllAsync(Token))
            {
                await pair.Server.SendAsync(m.Data, m.Type, Token);
            }
        }, Token);

        await pair.Client.SendAsync("hello", Token);
        Message back = await pair.Client.ReceiveAsync(Token);
        Assert.Equal("hello", back.Text);
        byte[] big = new byte[900_000];
        Random.Shared.NextBytes(big);
        await pair.Client.SendAsync(big, MessageType.Binary, Token);
        back = await pair.Client.ReceiveAsync(Token);
        Assert.Equal(big, back.ToArray());
        TimeSpan rtt = await pair.Client.PingAsync(Token);
        Assert.True(rtt > TimeSpan.Zero);
        CloseInfo info = await pair.Client.CloseAsync(3001, "bye");
        Assert.Equal(new CloseInfo(3001, "bye", false, true, CloseCause.LocalClose), info);
        Assert.Equal(new CloseInfo(3001, "bye", true, true, CloseCause.PeerClosed), await pair.Server.Closed);
        await echo;
    }
}
