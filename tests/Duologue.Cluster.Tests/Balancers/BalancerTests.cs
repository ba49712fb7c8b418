using System.Net;
using System.Text.Json;
using Duologue.Soak;

namespace Duologue.Cluster.Tests.Balancers;

/// <summary>nginx and HAProxy with the files of samples/Cluster, in front of three nodes.</summary>
[Collection(nameof(OneAtATime))]
public sealed class BalancerTests(ThreeNodes nodes) : IClassFixture<ThreeNodes>
{
    private static readonly FeedWays[] Ways = [FeedWays.WebSocket, FeedWays.ServerSentEvents, FeedWays.LongPolling, FeedWays.Polling];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("haproxy.cfg")]
    [InlineData("haproxy-by-session.cfg")]
    [InlineData("haproxy-by-cookie.cfg")]
    [InlineData("nginx.conf")]
    [InlineData("nginx-by-session.conf")]
    public async Task Every_way_reads_what_is_published_by_whichever_node(string file)
    {
        await using Balancer balancer = await nodes.BalanceAsync(file, [], Token);
        await using var publisher = new TopicClient(new Uri(balancer.Url, "/topics"), new TopicClientOptions { Ways = FeedWays.Polling });

        // The nodes have seen other balancers: a topic of its own for each.
        string topic = "news-" + file;
        await publisher.PublishAsync(topic, "1", Token);
        TopicClient[] clients = [.. Ways.Concat(Ways).Concat(Ways).Select(way => new TopicClient(new Uri(balancer.Url, "/topics"), new TopicClientOptions { Ways = way, UpgradeInterval = Timeout.InfiniteTimeSpan }))];
        Task<string>[] reading = [.. clients.Select(client => ReadThreeAsync(client, topic))];
        await publisher.PublishAsync(topic, "2", Token);
        await publisher.PublishAsync(topic, "3", Token);
        Assert.All(await Task.WhenAll(reading).WaitAsync(Needs.Patience, Token), have => Assert.Equal("123", have));
        foreach (TopicClient client in clients)
        {
            await client.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("haproxy-by-session.cfg")]
    [InlineData("haproxy-by-cookie.cfg")]
    [InlineData("nginx-by-session.conf")]
    public async Task A_session_is_always_at_the_node_that_opened_it(string file)
    {
        await using Balancer balancer = await nodes.BalanceAsync(file, [], Token);
        HashSet<string> opened = [];
        for (int session = 0; session < 6; session++)
        {
            // Cookies are kept, as a browser does.
            using var http = new HttpClient { BaseAddress = balancer.Url };
            string open = await http.GetStringAsync(new Uri("/echo/?EIO=4&transport=polling", UriKind.Relative), Token);
            using JsonDocument document = JsonDocument.Parse(open[1..]);
            string sid = document.RootElement.GetProperty("sid").GetString()!;
            opened.Add(sid.Split('.')[0]);
            var path = new Uri($"/echo/?EIO=4&transport=polling&sid={sid}", UriKind.Relative);
            for (int message = 0; message < 4; message++)
            {
                using HttpResponseMessage posted = await http.PostAsync(path, new StringContent($"4message {message}"), Token);
                Assert.Equal(HttpStatusCode.OK, posted.StatusCode);
                Assert.Equal($"4message {message}", await http.GetStringAsync(path, Token));
            }
        }

        Assert.Equal(3, opened.Count);
    }

    [Theory]
    [InlineData("haproxy.cfg")]
    [InlineData("nginx.conf")]
    public async Task While_Redis_was_away_the_balancer_took_the_nodes_for_dead(string file)
    {
        Needs.Redis();
        Needs.Program(Balancer.ProgramOf(file));
        await using Soak.Cluster cluster = await Soak.Cluster.StartAsync(file, isPersistent: true, [], Token);
        using var http = new HttpClient { BaseAddress = cluster.Url, Timeout = Needs.Patience };
        await cluster.Redis.KillAsync();
        for (int i = 0; i < 10; i++)
        {
            // Refused by all three of them, and not by the balancer.
            using HttpResponseMessage topic = await http.GetAsync(new Uri("/topics/news", UriKind.Relative), Token);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, topic.StatusCode);
            using HttpResponseMessage page = await http.GetAsync(new Uri("/", UriKind.Relative), Token);
            Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        }
    }

    private static async Task<string> ReadThreeAsync(TopicClient client, string topic)
    {
        string have = "";
        await foreach (TopicNews news in client.SubscribeAsync(topic, TopicClient.Oldest, Token))
        {
            have += (news as TopicItem)?.Text ?? "reset";
            if (have.Length >= 3)
            {
                break;
            }
        }

        return have;
    }
}
