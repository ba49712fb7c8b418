using Duologue.Browser;

namespace Duologue.Tests.Browser;

public class HandshakeGateTests
{
    [Fact]
    public async Task One_passes_at_a_time_per_host_and_port()
    {
        CancellationToken token = TestContext.Current.CancellationToken;
        IDisposable first = await HandshakeGate.EnterAsync("gate-a", 1, token);
        Task<IDisposable> second = HandshakeGate.EnterAsync("gate-a", 1, token);
        using IDisposable otherPort = await HandshakeGate.EnterAsync("gate-a", 2, token);
        using IDisposable otherHost = await HandshakeGate.EnterAsync("gate-b", 1, token);

        Assert.False(second.IsCompleted);
        first.Dispose();
        first.Dispose();
        using IDisposable entered = await second.WaitAsync(TimeSpan.FromSeconds(30), token);
    }

    [Fact]
    public async Task One_that_gives_up_blocks_nobody()
    {
        CancellationToken token = TestContext.Current.CancellationToken;
        using var givenUp = new CancellationTokenSource();
        IDisposable first = await HandshakeGate.EnterAsync("gate-c", 1, token);
        Task<IDisposable> second = HandshakeGate.EnterAsync("gate-c", 1, givenUp.Token);
        Task<IDisposable> third = HandshakeGate.EnterAsync("gate-c", 1, token);

        await givenUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        first.Dispose();
        (await third.WaitAsync(TimeSpan.FromSeconds(30), token)).Dispose();
    }
}
