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

    [Fact]
    public void What_was_made_of_old_messages_for_one_who_read_them_stayed_in_memory_with_them()
    {
        var log = new TopicLog("news", 1, new TopicHistory { MaxCount = 100 }, TimeProvider.System);
        for (int i = 0; i < 20; i++)
        {
            var message = new TopicMessage(new BroadcastFrame(Opcode.Text, "{}"u8, MessageFlags.DisableCompression), MessageType.Text, isJson: true);
            Assert.Equal(Appending.Appended, log.TryAppend(message, unlessPinned: false, keepOnlyNewest: false, out _, out _));
        }

        IReadOnlyList<TopicMessage> first = Read();
        ReadOnlyMemory<byte>[] items = [.. first.Select(message => message.Item)];
        IReadOnlyList<TopicMessage> second = Read();

        // Who has read them has each once; whoever comes next has the newest from memory.
        Assert.All(first.Zip(items), each => Assert.Equal(each.Second, each.First.Item));
        Assert.Equal(Enumerable.Range(0, 20).Select(i => i >= 4), second.Zip(items, (message, item) => message.Item.Equals(item)));
        Assert.Equal(items.Select(item => item.ToArray()), second.Select(message => message.Item.ToArray()));
        Assert.All(second, message => Assert.Equal(MessageFlags.DisableCompression, message.Flags));

        IReadOnlyList<TopicMessage> Read() => log.Read(TopicStart.Oldest, 100, int.MaxValue, 0, out _)!.Messages;
    }
}
