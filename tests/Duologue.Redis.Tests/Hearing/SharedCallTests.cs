using Duologue.Redis.Tests.Support;

namespace Duologue.Redis.Tests;

public sealed class SharedCallTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Who_comes_while_a_call_is_under_way_shares_the_next_for_that_one_may_have_been_answered_before()
    {
        var shared = new SharedCall<int>();
        TaskCompletionSource[] go = [new(), new(), new()];
        int calls = 0;
        int done = 0;
        Task<int> first = JoinAsync();
        await Eventually.True(() => Volatile.Read(ref calls) == 1);
        Task<int>[] next = [JoinAsync(), JoinAsync(), JoinAsync()];
        go[0].SetResult();
        Assert.Equal(1, await first.WaitAsync(Node.Patience, Token));
        await Eventually.True(() => Volatile.Read(ref calls) == 2);

        // Nor is a failure anybody's but theirs who share the call.
        Task<int> last = JoinAsync();
        go[1].SetException(new TimeoutException());
        foreach (Task<int> one in next)
        {
            await Assert.ThrowsAsync<TimeoutException>(() => one.WaitAsync(Node.Patience, Token));
        }

        Assert.Equal(0, done);
        go[2].SetResult();
        Assert.Equal(3, await last.WaitAsync(Node.Patience, Token));
        Assert.Equal((3, 1), (calls, done));

        Task<int> JoinAsync() => shared.JoinAsync(
            async () =>
            {
                int number = Interlocked.Increment(ref calls);
                await go[number - 1].Task;
                return number;
            },
            () => done++);
    }
}
