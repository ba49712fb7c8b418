using Duologue.Carriers;
using Duologue.Tests.Peer;

namespace Duologue.Tests.Carriers;

public sealed class ReadGateTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Waits_until_it_is_opened()
    {
        var gate = new ReadGate();
        Task waiting = gate.WaitAsync().AsTask();
        Assert.False(waiting.IsCompleted);
        gate.Open();
        await waiting.Soon();
        Assert.False(gate.WaitAsync().AsTask().IsCompleted);
    }

    [Fact]
    public void Opening_before_the_wait_is_remembered_once()
    {
        var gate = new ReadGate();
        gate.Open();
        gate.Open();
        Assert.True(gate.WaitAsync().AsTask().IsCompleted);
        Assert.False(gate.WaitAsync().AsTask().IsCompleted);
    }

    [Fact]
    public async Task No_opening_is_lost_among_threads()
    {
        var gate = new ReadGate();
        int permits = 0;
        const int Rounds = 20_000;
        Task opener = Task.Run(
            () =>
            {
                for (int i = 0; i < Rounds; i++)
                {
                    // One announcement at a time, as a connection makes them.
                    SpinWait.SpinUntil(() => Volatile.Read(ref permits) == 0);
                    Volatile.Write(ref permits, 1);
                    gate.Open();
                }
            },
            Token);
        for (int taken = 0; taken < Rounds;)
        {
            await gate.WaitAsync().Soon();
            if (Interlocked.Exchange(ref permits, 0) == 1)
            {
                taken++;
            }
        }

        await opener.Soon();
    }
}
