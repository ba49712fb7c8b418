using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue.AspNetCore.Tests.Pubsub;

public sealed class TopicLogTests
{
    [Fact]
    public void Only_the_newest_messages_keep_the_item_that_was_made_of_them()
    {
        var log = new TopicLog("news", 1, new TopicHistory { MaxCount = 100 }, TimeProvider.System);
        List<(TopicMessage Message, ReadOnlyMemory<byte> Item)> appended = [];
        for (int i = 0; i < 20; i++)
        {
            var message = new TopicMessage(new BroadcastFrame(Opcode.Text, "text"u8, MessageFlags.None), MessageType.Text, isJson: false);
            Assert.Equal(Appending.Appended, log.TryAppend(message, unlessPinned: false, keepOnlyNewest: false, out _, out _));
            appended.Add((message, message.Item));
        }

        // The same memory, not the same bytes.
        Assert.Equal(Enumerable.Range(0, 20).Select(i => i >= 4), appended.Select(each => each.Message.Item.Equals(each.Item)));
        Assert.All(appended, each => Assert.Equal(each.Item.ToArray(), each.Message.Item.ToArray()));
    }
}
