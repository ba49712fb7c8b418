using Duologue.Client.Sessions;

namespace Duologue.Tests.Client.Sessions;

public class SessionUriTests
{
    [Theory]
    [InlineData("ws://host/talk", null, "http://host/talk?EIO=4&transport=polling&t=n1f")]
    [InlineData("wss://host:8443/talk/?a=1&b=%20", "s1", "https://host:8443/talk/?a=1&b=%20&EIO=4&transport=polling&t=n1f&sid=s1")]
    [InlineData("ws://host/talk?EIO=4&sid=old&transport=websocket&t=9&a", "x+y", "http://host/talk?a&EIO=4&transport=polling&t=n1f&sid=x%2By")]
    public void A_polled_request_keeps_the_applications_parameters(string uri, string? sid, string expected) =>
        Assert.Equal(expected, SessionUri.Polled(new Uri(uri), sid, 31, asksOnly: false).AbsoluteUri);

    [Fact]
    public void A_request_that_only_asks_says_so() =>
        Assert.Equal("http://host/?EIO=4&transport=polling&t=n1&wait=0", SessionUri.Polled(new Uri("ws://host"), null, 1, asksOnly: true).AbsoluteUri);

    [Theory]
    [InlineData("ws://host/talk", null, "ws://host/talk?EIO=4&transport=websocket")]
    [InlineData("wss://host/?token=t", "s1", "wss://host/?token=t&EIO=4&transport=websocket&sid=s1")]
    public void A_WebSocket_keeps_the_scheme(string uri, string? sid, string expected) =>
        Assert.Equal(expected, SessionUri.Socket(new Uri(uri), sid).AbsoluteUri);

    [Theory]
    [InlineData("ws://host/?EIO=4", true)]
    [InlineData("ws://host/?a=1&EIO=4", true)]
    [InlineData("ws://host/?EIO=3", false)]
    [InlineData("ws://host/?xEIO=4", false)]
    [InlineData("ws://host/", false)]
    public void The_applications_URI_may_name_Engine_IO(string uri, bool expected) => Assert.Equal(expected, SessionUri.NamesEngineIo(new Uri(uri)));
}
