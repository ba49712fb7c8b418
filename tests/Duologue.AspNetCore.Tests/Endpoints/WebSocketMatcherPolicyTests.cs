using System.Net;
using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore.Tests.Endpoints;

public class WebSocketMatcherPolicyTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_page_and_a_conversation_share_a_URL(bool pageFirst)
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            if (pageFirst)
            {
                app.MapGet("/", () => "the page");
                app.MapDuologue("/", Talks.Echo);
            }
            else
            {
                app.MapDuologue("/", Talks.Echo);
                app.MapGet("/", () => "the page");
            }
        });
        using var http = new HttpClient { BaseAddress = host.Url };
        using ClientWebSocket client = await host.ConnectAsync("/");

        await client.SendTextAsync("hello");

        Assert.Equal("the page", await http.GetStringAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken));
        Assert.Equal("hello", await client.ReceiveTextAsync());
    }

    [Fact]
    public async Task A_page_for_any_method_shares_it_too()
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.Map("/talk", () => Results.Text("any method"));
            app.MapDuologue("/talk", Talks.Echo);
        });
        using var http = new HttpClient { BaseAddress = host.Url };

        using HttpResponseMessage posted = await http.PostAsync(new Uri("/talk", UriKind.Relative), null, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, posted.StatusCode);
        Assert.Equal(101, (await host.HandshakeAsync("/talk")).Status);
    }

    [Fact]
    public async Task A_page_for_everything_leaves_the_conversation_alone()
    {
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.MapFallback(() => "fallback");
            app.MapDuologue("/talk", Talks.Echo);
        });
        using var http = new HttpClient { BaseAddress = host.Url };

        using HttpResponseMessage plain = await http.GetAsync(new Uri("/talk", UriKind.Relative), TestContext.Current.CancellationToken);

        // The more exact pattern wins, as it does among pages.
        Assert.Equal(HttpStatusCode.UpgradeRequired, plain.StatusCode);
        Assert.Equal(101, (await host.HandshakeAsync("/talk")).Status);
        Assert.Equal("fallback", await http.GetStringAsync(new Uri("/other", UriKind.Relative), TestContext.Current.CancellationToken));
    }
}
