using System.Text;
using System.Text.Json;
using Duologue.Client;

namespace Duologue.Tests.Client.Topics;

public class FeedMessageTests
{
    [Fact]
    public void A_page_has_text_JSON_and_binary()
    {
        FeedMessage page = Parse("""{"items":[{"id":"a-1","time":1764345600000,"data":"t\"\u00e4"},{"id":"a-2","time":0,"new":{"x":[1]},"data":{"x":[1.50,null]}},{"type":"binary","data":"AAH/","id":"a-3","time":1}],"next":"a-3","reset":false,"more":[]}""");
        Assert.Equal(["a-1", "a-2", "a-3"], page.Items.Select(item => item.Cursor));
        Assert.Equal(["t\"ä", """{"x":[1.50,null]}"""], page.Items.Take(2).Select(item => item.Text));
        Assert.Equal([0, 1, 255], page.Items[2].Data.ToArray());
        Assert.Equal([(MessageType.Text, false), (MessageType.Text, true), (MessageType.Binary, false)], page.Items.Select(item => (item.Type, item.IsJson)));
        Assert.Equal(DateTimeOffset.FromUnixTimeMilliseconds(1764345600000), page.Items[0].Time);
        Assert.Equal(("a-3", false, "news"), (page.Next, page.IsReset, page.Items[0].Topic));
    }

    [Theory]
    [InlineData("""{"items":[],"next":"b-7","reset":true,"lost":5}""", 5L)]
    [InlineData("""{"items":[],"next":"b-7","reset":true,"lost":null}""", null)]
    public void A_reset_says_what_is_lost(string json, long? lost)
    {
        FeedMessage page = Parse(json);
        Assert.Equal((true, lost, "b-7"), (page.IsReset, page.Lost, page.Next));
    }

    [Fact]
    public void A_message_of_the_subprotocol_has_its_own_members()
    {
        FeedMessage message = FeedMessage.Parse("""{"topic":"t","ref":"p1","id":"a-1","type":"published"}"""u8, null);
        Assert.Equal(("published", "t", "p1", "a-1"), (message.Type, message.Topic, message.Ref, message.Id));
        FeedMessage error = FeedMessage.Parse("""{"code":"forbidden","message":"no","ref":7,"type":"error"}"""u8, null);
        Assert.Equal(("error", "forbidden", "no", null), (error.Type, error.Code, error.Sentence, error.Ref));
        FeedMessage items = FeedMessage.Parse("""{"type":"items","topic":"t","items":[{"id":"a-1","time":0,"data":1}],"next":"a-1","reset":false}"""u8, null);
        Assert.Equal("t", items.Items[0].Topic);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("""{"items":{}}""")]
    [InlineData("""{"items":[1]}""")]
    [InlineData("""{"items":[{"id":"a"}]}""")]
    [InlineData("""{"items":[{"id":1,"data":1}]}""")]
    [InlineData("""{"items":[{"id":"a","data":"%%","type":"binary"}]}""")]
    [InlineData("""{"reset":1}""")]
    [InlineData("""{"lost":"x"}""")]
    [InlineData("""{"next":[]}""")]
    [InlineData("""{"items":[{"id":"a","time":9223372036854775807,"data":"x"}]}""")]
    public void What_is_no_page_is_an_exception_of_JSON(string json) => Assert.ThrowsAny<JsonException>(() => Parse(json));

    [Fact]
    public void A_value_as_deep_as_a_server_takes_stopped_every_reader_of_its_topic()
    {
        // JSON's usual limit, and the page around it.
        string value = new string('[', 64) + new string(']', 64);
        Assert.Equal(value, Parse($$"""{"items":[{"id":"a-1","time":0,"data":{{value}}}],"next":"a-1"}""").Items[0].Text);
        Assert.Equal(value, FeedMessage.ParseItem(Encoding.UTF8.GetBytes($$"""{"id":"a-1","time":0,"data":{{value}}}"""), "news").Text);
    }

    [Theory]
    [InlineData("""],"next":"a-7","reset":false}""", true, "a-7", false, null)]
    [InlineData("""],"next":"a-7","reset":true,"lost":5}""", true, "a-7", true, 5L)]
    [InlineData("""],"next":"a-7","reset":true,"lost":null}""", true, "a-7", true, null)]
    [InlineData("""],"next":"a-9","reset":false}""", false, "a-9", false, null)]
    [InlineData("", false, "a-7", false, null)]
    [InlineData("""],"reset":true,"lost":5,"next":"a-7"}""", false, "a-7", false, null)]
    [InlineData("""xxx","x":[1],"next":"a-7","reset":true,"lost":5}}],"is":"the payload"}""", false, "a-7", false, null)]
    public void Of_a_page_that_is_too_large_its_beginning_and_its_end_tell_where_to_go_on(string end, bool isAlone, string next, bool isReset, long? lost)
    {
        FeedMessage page = FeedMessage.OfTooLarge("""{"type":"items","topic":"a\"b","items":[{"id":"a-7","time":1,"data":"xxx"""u8, Encoding.UTF8.GetBytes(end), null);

        Assert.Equal(("items", "a\"b", next, isReset, lost), (page.Type, page.Topic, page.Next, page.IsReset, page.Lost));
        Assert.Equal(new LargeMessage("a-7", isAlone), page.TooLarge);
        Assert.Empty(page.Items);
    }

    [Theory]
    [InlineData("""{"topic":"news","subscribers":[{"id":"1"}""", "present")]
    [InlineData("""{"type":"items","topic":"news","items":[{"data":"xxx""", "items")]
    [InlineData("""{"type":"new","topic":"news","mor""", "new")]
    public void Of_what_is_too_large_and_has_no_place_only_what_it_is_is_known(string beginning, string type)
    {
        FeedMessage message = FeedMessage.OfTooLarge(Encoding.UTF8.GetBytes(beginning), default, null);
        Assert.Equal((type, "news", null, new LargeMessage(null, false)), (message.Type, message.Topic, message.Next, message.TooLarge));
    }

    [Theory]
    [InlineData("<html>")]
    [InlineData("""{"type":1,""")]
    [InlineData("""{"items":[{"id":7,""")]
    public void What_is_too_large_and_no_page_is_an_exception_of_JSON(string beginning) =>
        Assert.ThrowsAny<JsonException>(() => FeedMessage.OfTooLarge(Encoding.UTF8.GetBytes(beginning), default, "news"));

    private static FeedMessage Parse(string json) => FeedMessage.Parse(Encoding.UTF8.GetBytes(json), "news");
}
