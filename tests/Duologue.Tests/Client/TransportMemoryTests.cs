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

        time.Advance(TransportMemory.Lifetime);
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
