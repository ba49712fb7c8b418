using Duologue.Client;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Client;

public class TransportMemoryTests
{
    private static readonly Uri One = new("ws://one/a");

    [Fact]
    public void An_origin_is_remembered_for_a_while()
    {
        var time = new FakeTimeProvider();
        var memory = new TransportMemory();
        memory.Remember(One, Transport.LongPolling, time);

        Assert.Equal(Transport.LongPolling, memory.Find(new Uri("ws://one/b?c"), time));
        Assert.Null(memory.Find(new Uri("wss://one/a"), time));
        Assert.Null(memory.Find(new Uri("ws://one:81/a"), time));
        Assert.Null(memory.Find(new Uri("ws://two/a"), time));

        time.Advance(TransportMemory.FirstLifetime);
        Assert.Null(memory.Find(One, time));
    }

    [Fact]
    public void One_failure_while_a_server_died_was_remembered_as_long_as_a_network_that_lets_nothing_through()
    {
        var time = new FakeTimeProvider();
        var memory = new TransportMemory();

        // Many at once are one failure.
        for (int i = 0; i < 100; i++)
        {
            memory.Remember(One, Transport.WebSocket, time);
        }

        time.Advance(TransportMemory.FirstLifetime);
        Assert.Null(memory.Find(One, time));

        // Each time anew it is remembered longer, up to the longest.
        TimeSpan lifetime = TransportMemory.FirstLifetime;
        for (int i = 0; i < 10; i++)
        {
            memory.Remember(One, Transport.WebSocket, time);
            lifetime = lifetime * 2 < TransportMemory.LongestLifetime ? lifetime * 2 : TransportMemory.LongestLifetime;
            time.Advance(lifetime - TimeSpan.FromSeconds(1));
            Assert.Equal(Transport.WebSocket, memory.Find(One, time));
            time.Advance(TimeSpan.FromSeconds(1));
            Assert.Null(memory.Find(One, time));
        }

        Assert.Equal(TransportMemory.LongestLifetime, lifetime);

        // Long after the last one it is the first again.
        time.Advance(TransportMemory.LongestLifetime + TimeSpan.FromSeconds(1));
        memory.Remember(One, Transport.WebSocket, time);
        time.Advance(TransportMemory.FirstLifetime);
        Assert.Null(memory.Find(One, time));
    }

    [Fact]
    public void A_forgotten_origin_is_unknown()
    {
        var time = new FakeTimeProvider();
        var memory = new TransportMemory();
        memory.Remember(One, Transport.Polling, time);
        memory.Forget(One);

        Assert.Null(memory.Find(One, time));
    }

    [Fact]
    public void Of_too_many_the_oldest_go()
    {
        var time = new FakeTimeProvider();
        var memory = new TransportMemory();
        for (int i = 0; i < 300; i++)
        {
            memory.Remember(new Uri($"ws://host{i}/"), Transport.Polling, time);
            time.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.Null(memory.Find(new Uri("ws://host0/"), time));
        Assert.Equal(Transport.Polling, memory.Find(new Uri("ws://host299/"), time));
    }
}
