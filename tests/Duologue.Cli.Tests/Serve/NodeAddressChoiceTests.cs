using System.Net;
using System.Text.Json;
using Duologue.Cli.Serve;
using Duologue.Cli.Tests.Support;
using Duologue.Redis.Tests.Support;

namespace Duologue.Cli.Tests.Serve;

/// <summary>Where other nodes send the requests of this one's sessions.</summary>
public sealed class NodeAddressChoiceTests
{
    private const string Engine = "/echo?EIO=4&transport=polling";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_request_that_comes_to_another_node_is_forwarded_without_an_option_more()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ServeTool one = await ServeTool.StartAsync("--redis", store.Address, "--node", "one", "--ping-interval", "10m");
        await using ServeTool two = await ServeTool.StartAsync("--redis", store.Address, "--node", "two");
        await one.Tool.WaitForErrorAsync(line => line.Contains($"forward the requests of this one's to {one.Url}", StringComparison.Ordinal));
        using var http = new HttpClient();
        await ReachOneAsync(http, two);
        string open = await http.GetStringAsync(new Uri($"{one.Url}{Engine}"), Token);
        using JsonDocument document = JsonDocument.Parse(open[1..]);
        var elsewhere = new Uri($"{two.Url}{Engine}&sid={document.RootElement.GetProperty("sid").GetString()}");
        using HttpResponseMessage posted = await http.PostAsync(elsewhere, new StringContent("4hello"), Token);
        Assert.Equal(HttpStatusCode.OK, posted.StatusCode);
        Assert.Equal("4hello", await http.GetStringAsync(elsewhere, Token));
    }

    [Fact]
    public async Task A_node_that_takes_no_forwards_says_so_and_another_answers_that_it_is_gone()
    {
        await using StoreServer store = StoreServer.Start("garnet");
        await using ServeTool one = await ServeTool.StartAsync("--redis", store.Address, "--node", "one", "--node-address", "none");
        await using ServeTool two = await ServeTool.StartAsync("--redis", store.Address, "--node", "two");
        await one.Tool.WaitForErrorAsync(line => line.Contains("do not forward", StringComparison.Ordinal));
        using var http = new HttpClient();
        using HttpResponseMessage answer = await http.GetAsync(new Uri($"{two.Url}{Engine}&sid=one.none"), Token);
        Assert.Equal(HttpStatusCode.Gone, answer.StatusCode);
    }

    [Theory]
    [InlineData("http://localhost:8081", "http://localhost:8081/")]
    [InlineData("http://127.0.0.1:0", "http://127.0.0.1:0/")]
    [InlineData("http://10.0.0.1:8080;http://10.0.0.2:8080", "http://10.0.0.1:8080/")]
    [InlineData("http://[::1]:8080", "http://[::1]:8080/")]
    [InlineData("http://0.0.0.0:8080", null)]
    [InlineData("http://0.0.0.0:8080;http://10.0.0.1:8080", null)]
    [InlineData("http://[::]:8080", null)]
    [InlineData("http://*:8080", null)]
    [InlineData("http://+:8080", null)]
    [InlineData("http://[fe80::1]:8080", null)]
    [InlineData("http://name.example:8080", null)]
    [InlineData("https://localhost:8443", null)]
    public void By_default_it_is_the_first_address_of_the_server_if_others_can_be_told_it(string urls, string? address) =>
        Assert.Equal(address, NodeAddressChoice.Default(urls.Split(';'))?.AbsoluteUri);

    [Theory]
    [InlineData("none", null)]
    [InlineData("http://10.0.0.1:8080", "http://10.0.0.1:8080/")]
    [InlineData("https://node1.example", "https://node1.example/")]
    public void An_address_is_read(string given, string? address)
    {
        Assert.Null(NodeAddressChoice.TryRead(given, out NodeAddressChoice? choice));
        Assert.Equal(address, choice!.Url?.AbsoluteUri);
    }

    [Theory]
    [InlineData("")]
    [InlineData("node1")]
    [InlineData("10.0.0.1:8080")]
    [InlineData("/path")]
    [InlineData("ws://10.0.0.1:8080")]
    [InlineData("http://0.0.0.0:8080")]
    [InlineData("http://[::]:8080")]
    [InlineData("http://10.0.0.1:8080/?a=b")]
    [InlineData("http://10.0.0.1:8080/#a")]
    [InlineData("http://me:geheim@10.0.0.1:8080")]
    public void What_leads_to_no_node_is_refused(string given)
    {
        string? error = NodeAddressChoice.TryRead(given, out NodeAddressChoice? choice);
        Assert.Null(choice);
        Assert.Contains("http://10.0.0.1:8080, or none", error, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", error, StringComparison.Ordinal);
    }

    /// <summary>Waits until a node knows where the other is, which tells by itself that the session has ended.</summary>
    private static async Task ReachOneAsync(HttpClient http, ServeTool from)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        while ((await http.GetAsync(new Uri($"{from.Url}{Engine}&sid=one.none"), Token)).StatusCode != HttpStatusCode.BadRequest)
        {
            Assert.False(patience.IsCancellationRequested, "The node does not forward.");
            await Task.Delay(50, Token);
        }
    }
}
