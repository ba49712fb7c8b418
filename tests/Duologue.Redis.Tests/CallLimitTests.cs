using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

public class CallLimitTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("geheim")]
    [InlineData("a,b")]
    [InlineData("a=b")]
    [InlineData("a,asyncTimeout=1")]
    [InlineData("a,syncTimeout=1")]
    [InlineData("a,ssl=perhaps")]
    [InlineData("a,asyncTimeout=soon")]
    [InlineData("a,:::")]
    public void A_password_was_read_as_options(string password)
    {
        var plain = new ConfigurationOptions { EndPoints = { "localhost:6379" }, Password = password };
        Assert.Equal(TimeSpan.FromMilliseconds(new ConfigurationOptions().AsyncTimeout), CallLimit.OwnOf(plain.ToString()));
        var set = new ConfigurationOptions { EndPoints = { "localhost:6379" }, User = password, Password = password, AsyncTimeout = 7_000, SyncTimeout = 3_000 };
        Assert.Equal(TimeSpan.FromSeconds(7), CallLimit.OwnOf(set.ToString()));
        var sync = new ConfigurationOptions { EndPoints = { "localhost:6379" }, Password = password, SyncTimeout = 3_000 };
        Assert.Equal(TimeSpan.FromMilliseconds(sync.AsyncTimeout), CallLimit.OwnOf(sync.ToString()));
    }

    [Fact]
    public async Task A_call_that_never_ends_is_given_up()
    {
        var time = new FakeTimeProvider();
        var limit = new CallLimit(time) { Longest = TimeSpan.FromSeconds(2) };
        Task<int> waiting = limit.EndAsync(new TaskCompletionSource<int>().Task);
        time.Advance(TimeSpan.FromSeconds(1.9));
        Assert.False(waiting.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.2));
        await Assert.ThrowsAsync<TimeoutException>(() => waiting);
        Assert.Equal(1, await limit.EndAsync(Task.FromResult(1), Token));
    }
}
