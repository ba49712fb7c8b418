using System.Net;
using System.Security.Claims;

namespace Duologue.Tests;

public class RequestInfoTests
{
    [Theory]
    [InlineData("127.0.0.1", 1)]
    [InlineData("255.255.255.255", 65535)]
    [InlineData("0.0.0.0", 0)]
    [InlineData("10.200.3.4", 50000)]
    [InlineData("::ffff:10.200.3.4", 50000)]
    [InlineData("::1", 443)]
    [InlineData("2001:db8::1", 65535)]
    [InlineData("fe80::1%3", 80)]
    public void The_address_comes_out_as_it_went_in(string address, int port)
    {
        var endPoint = new IPEndPoint(IPAddress.Parse(address), port);
        Assert.Equal(endPoint, new RequestInfo { Path = "/", RemoteEndPoint = endPoint }.RemoteEndPoint);
    }

    [Fact]
    public void What_was_not_captured_is_empty()
    {
        var request = new RequestInfo { Path = "/" };
        Assert.Equal("", request.QueryString);
        Assert.Null(request.Origin);
        Assert.Null(request.RemoteEndPoint);
        Assert.Equal(default, request.TraceContext);
        Assert.Empty(request.Headers);
        Assert.Empty(request.RouteValues);
        Assert.False(request.HasUser);
        Assert.False(request.User.Identity!.IsAuthenticated);
        Assert.Same(request.User, request.User);
    }

    [Fact]
    public void What_was_captured_is_there()
    {
        var user = new ClaimsPrincipal(new ClaimsIdentity("test"));
        var request = new RequestInfo
        {
            Path = "/",
            QueryString = "?a=1",
            Origin = "https://example.com",
            User = user,
            Headers = new Dictionary<string, string> { ["a"] = "b" },
            RouteValues = new Dictionary<string, string> { ["room"] = "blue" },
        };
        Assert.Equal("?a=1", request.QueryString);
        Assert.Equal("https://example.com", request.Origin);
        Assert.Same(user, request.User);
        Assert.Equal("b", request.Headers["a"]);
        Assert.Equal("blue", request.RouteValues["room"]);
    }
}
