using Duologue.Client;

namespace Duologue.Tests.Client;

public class HttpVersionPlanTests
{
    [Theory]
    [InlineData("ws", "1.1", HttpVersionPolicy.RequestVersionOrLower, false, true)]
    [InlineData("ws", "1.1", HttpVersionPolicy.RequestVersionExact, false, true)]
    [InlineData("ws", "1.1", HttpVersionPolicy.RequestVersionOrHigher, false, true)]
    [InlineData("wss", "1.1", HttpVersionPolicy.RequestVersionOrLower, false, true)]
    [InlineData("wss", "1.1", HttpVersionPolicy.RequestVersionExact, false, true)]
    [InlineData("wss", "1.1", HttpVersionPolicy.RequestVersionOrHigher, true, true)]
    [InlineData("ws", "2.0", HttpVersionPolicy.RequestVersionOrLower, false, true)]
    [InlineData("ws", "2.0", HttpVersionPolicy.RequestVersionExact, true, false)]
    [InlineData("ws", "2.0", HttpVersionPolicy.RequestVersionOrHigher, true, false)]
    [InlineData("wss", "2.0", HttpVersionPolicy.RequestVersionOrLower, true, true)]
    [InlineData("wss", "2.0", HttpVersionPolicy.RequestVersionExact, true, false)]
    [InlineData("wss", "2.0", HttpVersionPolicy.RequestVersionOrHigher, true, false)]
    public void The_versions_that_are_tried(string scheme, string version, HttpVersionPolicy policy, bool triesHttp2, bool mayUseHttp1) =>
        Assert.Equal(new HttpVersionPlan(triesHttp2, mayUseHttp1), HttpVersionPlan.For(new Uri($"{scheme}://a/"), Version.Parse(version), policy));
}
