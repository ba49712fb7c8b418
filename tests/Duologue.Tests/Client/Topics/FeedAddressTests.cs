using Duologue.Client;

namespace Duologue.Tests.Client.Topics;

public class FeedAddressTests
{
    [Theory]
    [InlineData("https://example.com/topics", "a", "after=x", "https://example.com/topics/a?after=x")]
    [InlineData("wss://example.com:8443/topics/?token=1", "a/b c", "after=x", "https://example.com:8443/topics/a/b%20c?token=1&after=x")]
    [InlineData("ws://me:secret@example.com/topics?token=1", "ä?#%", "", "http://example.com/topics/%C3%A4%3F%23%25?token=1")]
    [InlineData("http://example.com", "a", "", "http://example.com/a")]
    public void A_topic_is_below_the_address(string address, string topic, string parameters, string expected) =>
        Assert.Equal(expected, new FeedAddress(new Uri(address)).Of(topic, parameters).AbsoluteUri);

    [Theory]
    [InlineData("https://example.com/topics", "wss://example.com/topics")]
    [InlineData("http://example.com/topics/?x=1", "ws://example.com/topics?x=1")]
    public void The_socket_of_many_is_at_the_address(string address, string expected) => Assert.Equal(expected, new FeedAddress(new Uri(address)).Socket.AbsoluteUri);
}
