using Duologue.Browser;
using Duologue.Tests.Peer;

namespace Duologue.Tests.Browser;

public sealed class OutgoingQueueTests
{
    [Fact]
    public void Empty_messages_count_against_the_memory_too()
    {
        var tasks = new EventTaskQueue(null, null, () => { }, _ => { });
        List<string> told = [];
        var queue = new OutgoingQueue(tasks, 1000, failure => told.Add(failure.Message), () => told.Add("full"));

        // None leaves: there is no connection yet.
        for (int i = 0; i < 100 && told.Count == 0; i++)
        {
            queue.AddText("");
        }

        Assert.Equal("full", told[0]);
        Assert.Contains("MaxSendMemory", Assert.Single(told[1..]), StringComparison.Ordinal);

        // What comes behind that is only counted.
        queue.AddText("text");
        Assert.Equal((4ul, 2), (queue.BufferedAmount, told.Count));
    }

    [Fact]
    public async Task What_left_just_as_the_amount_was_looked_at_stayed_in_it_for_ever()
    {
        // The amount is looked at when a task begins; right behind that, a second message leaves.
        int arrived = 0;
        await using RawServer server = RawServer.StartAccepting(async peer =>
        {
            while (await peer.ReadMessageAsync() is { Opcode: not 8 })
            {
                Interlocked.Increment(ref arrived);
            }
        });
        server.Go();
        await using Connection connection = await Connection.ConnectAsync(new Uri(server.Url), TestContext.Current.CancellationToken).Soon();
        OutgoingQueue? queue = null;
        int begun = 0;
        var tasks = new EventTaskQueue(null, null, BeginTask, _ => { });
        queue = new OutgoingQueue(tasks, 1000, _ => { }, () => { });
        queue.Start((WebSocketConnection)connection);
        queue.AddText("one");

        await Waiting.Until(() => queue.BufferedAmount == 0 && Volatile.Read(ref begun) > 0);

        void BeginTask()
        {
            queue!.PublishTaken();
            if (Interlocked.Increment(ref begun) == 1)
            {
                queue.AddText("two");
                SpinWait.SpinUntil(() => Volatile.Read(ref arrived) == 2, TimeSpan.FromMinutes(1));
            }
        }
    }
}
