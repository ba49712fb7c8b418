using Duologue.Browser;

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
}
