using System.Diagnostics;
using System.Text;
using Duologue.Cli.Compare;
using Duologue.Cli.Compare.Clients;

namespace Duologue.Cli.Tests.Compare;

public sealed class LedgerTests
{
    private static readonly long Now = Stopwatch.GetTimestamp();

    [Fact]
    public void Messages_that_come_in_order_are_neither_lost_nor_doubled()
    {
        Ledger ledger = Publish(clients: 2, messages: 3);
        for (int client = 0; client < 2; client++)
        {
            for (int number = 0; number < 3; number++)
            {
                Assert.False(ledger.IsComplete());
                ledger.Deliver(client, 0, number, Now);
            }
        }

        Assert.True(ledger.IsComplete());
        Assert.Equal((3, 6, 0, 0), (ledger[0].Published, ledger[0].Delivered, ledger[0].Lost, ledger[0].Duplicated));
        Assert.Equal(6, ledger[0].Delays.Count);
    }

    [Fact]
    public void What_is_passed_over_is_lost_and_what_comes_again_is_doubled()
    {
        Ledger ledger = Publish(clients: 1, messages: 5);
        ledger.Deliver(0, 0, 0, Now);
        ledger.Deliver(0, 0, 3, Now);
        ledger.Deliver(0, 0, 2, Now);
        ledger.Deliver(0, 0, 3, Now);
        ledger.Deliver(0, 0, 4, Now);
        Assert.Equal((3, 2, 2), (ledger[0].Delivered, ledger[0].Lost, ledger[0].Duplicated));
    }

    [Fact]
    public void What_never_came_is_lost()
    {
        Ledger ledger = Publish(clients: 2, messages: 4);
        ledger.Deliver(0, 0, 0, Now);
        ledger.WriteOff(0);
        Assert.True(ledger.IsComplete());
        Assert.Equal(7, ledger[0].Lost);
    }

    [Fact]
    public void What_nobody_published_is_refused()
    {
        Ledger ledger = Publish(clients: 1, messages: 1);
        Assert.Throws<InvalidDataException>(() => ledger.Deliver(0, 0, 1, Now));
        Assert.Throws<InvalidDataException>(() => ledger.Deliver(0, Ledger.MaxWindows, 0, Now));
    }

    [Fact]
    public void Pages_and_items_of_the_feed_are_booked()
    {
        Ledger ledger = Publish(clients: 1, messages: 3);
        string Item(int number) => $$$"""{"id":"e-{{{number}}}","time":1,"data":{"n":{{{number}}},"w":0,"t":{{{Now}}},"words":"\"n\":7"}}""";
        (string next, int count) = FeedItems.DeliverPage(Encoding.UTF8.GetBytes($$"""{"items":[{{Item(0)}},{{Item(1)}}],"next":"e-1","reset":false}"""), ledger, 0);
        FeedItems.DeliverItem(Encoding.UTF8.GetBytes(Item(2)), ledger, 0);
        Assert.Equal(("e-1", 2), (next, count));
        Assert.True(ledger.IsComplete());
        Assert.Equal((3, 0, 0), (ledger[0].Delivered, ledger[0].Lost, ledger[0].Duplicated));
        Assert.Equal(("e-9", 0), FeedItems.DeliverPage("""{"items":[],"next":"e-9","reset":true,"lost":null}"""u8, ledger, 0));
    }

    private static Ledger Publish(int clients, int messages)
    {
        var ledger = new Ledger(clients);
        for (int i = 0; i < messages; i++)
        {
            Assert.Equal(i, ledger.Publish(0));
        }

        return ledger;
    }
}
