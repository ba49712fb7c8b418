using System.Net.Http.Headers;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Features;

namespace Duologue.AspNetCore.Tests.Sessions;

/// <summary>Requests that a proxy repeats, as the connection with the answer to the first has died.</summary>
public class RepeatedRequestsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // However slow the machine is: no heartbeat comes between.
    private static Task<TestHost> StartAsync() => StartAsync(app => app.MapDuologue<EchoHandler>("/engine.io"));

    private static Task<TestHost> StartAsync(Action<WebApplication> map) =>
        TestHost.StartAsync(map, options => options.KeepAliveInterval = TimeSpan.FromHours(1));

    [Fact]
    public async Task A_repeated_poll_was_given_the_next_messages_and_those_of_its_lost_answer_never_came()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        await client.PostAsync("4one\u001e4two");
        Assert.Equal((200, "4one\u001e4two"), await client.GetAsync("t=Pabc1"));
        await client.PostAsync("4three");

        Assert.Equal((200, "4one\u001e4two"), await client.GetAsync("t=Pabc1"));
        Assert.Equal((200, "4one\u001e4two"), await client.GetAsync("t=Pabc1"));
        Assert.Equal((200, "4three"), await client.GetAsync("t=Pabc2"));

        // The older answer is forgotten with the next poll, which names another.
        await client.PostAsync("4four");
        Assert.Equal((200, "4four"), await client.GetAsync("t=Pabc1"));
    }

    [Fact]
    public async Task A_repeated_poll_that_had_nothing_has_nothing_again()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Assert.Equal((200, "6"), await client.GetAsync("wait=0&t=Pabc1"));
        await client.PostAsync("4one");

        Assert.Equal((200, "6"), await client.GetAsync("wait=0&t=Pabc1"));
        Assert.Equal((200, "4one"), await client.GetAsync("wait=0&t=Pabc2"));
    }

    [Theory]
    [InlineData("wait=10")]
    [InlineData("t=")]
    [InlineData("t=1764386000")]
    public async Task Polls_without_a_name_or_with_a_clocks_seconds_are_all_new(string query)
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);

        foreach (string packet in (string[])["4one", "4two", "4three"])
        {
            Assert.Equal((200, "ok"), await PostAsync(client, query, packet));
            Assert.Equal((200, packet), await client.GetAsync(query));
        }
    }

    [Fact]
    public async Task A_repeat_takes_the_place_of_the_poll_that_is_held()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        using RawPoll held = await HoldAsync(host, client, connection, "t=Pabc2");

        Task<(int, string)> repeat = client.GetAsync("t=Pabc2");

        // It has no answer: whoever reads it all the same would have every message twice.
        await held.ReadToEndAsync();
        Assert.Equal("", held.Seen);
        connection.Send("news");
        Assert.Equal((200, "4news"), await repeat);
        Assert.Equal((200, "4news"), await client.GetAsync("t=Pabc2"));
        Assert.Equal((200, "ok"), await client.PostAsync("4more"));
        Assert.Equal((200, "4more"), await client.GetAsync("t=Pabc3"));
    }

    [Fact]
    public async Task A_repeat_takes_the_place_of_a_held_poll_whose_connection_went_unnoticed()
    {
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await StartAsync(app =>
        {
            app.Use(async (context, next) =>
            {
                bool isFirst = context.Request.Query.ContainsKey("unnoticed");
                if (isFirst)
                {
                    context.Features.Set<IHttpRequestLifetimeFeature>(new HttpRequestLifetimeFeature());
                }

                await next(context);
                if (isFirst)
                {
                    left.SetResult();
                }
            });
            app.MapDuologue<EchoHandler>("/engine.io");
        });
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        using (await HoldAsync(host, client, connection, "t=Pabc2&unnoticed=1"))
        {
        }

        Task<(int, string)> repeat = client.GetAsync("t=Pabc2");
        await left.Task.WaitAsync(TestHost.Patience, Token);
        connection.Send("news");

        Assert.Equal((200, "4news"), await repeat);
        Assert.Equal((200, "ok"), await client.PostAsync("4more"));
        Assert.Equal((200, "4more"), await client.GetAsync("t=Pabc3"));
    }

    [Theory]
    [InlineData("t=Pabc3")]
    [InlineData("wait=50")]
    public async Task Another_poll_than_the_one_that_is_held_closes_the_session(string other)
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);
        Connection connection = host.Connections.Single();
        using RawPoll held = await HoldAsync(host, client, connection, "t=Pabc2");

        Assert.Equal(400, (await client.GetAsync(other)).Status);

        Assert.Equal(ProtocolViolation.OverlappingRequests, (await connection.Closed.WaitAsync(TestHost.Patience, Token)).Violation);
    }

    [Fact]
    public async Task A_repeated_post_is_taken_once()
    {
        await using TestHost host = await StartAsync();
        await using SessionClient client = await SessionClient.OpenAsync(host);

        Assert.Equal((200, "ok"), await PostAsync(client, "t=Pabc1", "4one"));
        Assert.Equal((200, "ok"), await PostAsync(client, "t=Pabc1", "4one"));
        Assert.Equal((200, "ok"), await PostAsync(client, "t=Pabc2", "4one"));
        Assert.Equal((200, "ok"), await PostAsync(client, "t=Pabc2", "4another"));

        Assert.Equal((200, "4one\u001e4one\u001e4another"), await client.GetAsync("t=Pabc3"));
    }

    [Fact]
    public async Task A_post_that_was_refused_for_its_size_may_be_repeated()
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue<EchoHandler>("/engine.io"),
            options => (options.KeepAliveInterval, options.MaxSessionPayload) = (TimeSpan.FromHours(1), 100));
        await using SessionClient client = await SessionClient.OpenAsync(host);
        string packet = "4" + new string('x', 100);

        Assert.Equal((413, ""), await PostAsync(client, "t=Pabc1", packet));
        Assert.Equal((413, ""), await PostAsync(client, "t=Pabc1", packet));
    }

    private static Task<(int Status, string Body)> PostAsync(SessionClient client, string more, string body) =>
        client.AskAsync(HttpMethod.Post, $"{client.Query}&{more}", new StringContent(body, new MediaTypeHeaderValue("text/plain", "UTF-8")));

    private static async Task<RawPoll> HoldAsync(TestHost host, SessionClient client, Connection connection, string more)
    {
        Assert.Equal((200, "6"), await client.GetAsync("wait=0&t=Pabc1"));
        RawPoll held = await RawPoll.SendAsync(host, $"GET /engine.io/?{client.Query}&{more} HTTP/1.1\r\nHost: a\r\n\r\n");

        // So the server has it.
        await Eventually.True(() => connection.Transport == Transport.LongPolling);
        return held;
    }
}
