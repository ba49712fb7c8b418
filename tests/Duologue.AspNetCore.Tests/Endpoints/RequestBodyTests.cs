using Duologue.AspNetCore.Tests.Sessions;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore.Tests.Endpoints;

/// <summary>Bodies that end before they have come, in the two places that read some: a publication, and a POST of a session.</summary>
public class RequestBodyTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Who_hung_up_within_a_body_left_an_error_with_its_stack_in_the_log_each_time(bool isSession, bool byReset)
    {
        const int Requests = 30;
        await using TestHost host = await StartAsync();
        for (int i = 0; i < Requests; i++)
        {
            using RawPoll client = await BeginPostAsync(host, isSession);
            if (byReset)
            {
                client.Reset();
            }
        }

        await Eventually.True(() => Count("ConnectionStop") >= Requests && host.Connections.Count == 0, () => $"{Count("ConnectionStop")} have ended.");

        AssertNoneIsWarned(host);

        int Count(string name) => host.Log.GetSnapshot().Count(record => record.Id.Name == name);
    }

    [Fact]
    public async Task A_post_that_is_torn_down_for_another_leaves_no_error_in_the_log()
    {
        const int Requests = 30;
        await using TestHost host = await StartAsync();
        for (int i = 0; i < Requests; i++)
        {
            await using SessionClient session = await SessionClient.OpenAsync(host);
            using RawPoll first = await BeginPostAsync(host, $"/engine.io?{session.Query}");

            Assert.Equal(400, (await session.PostAsync("4second")).Status);

            await first.ReadToEndAsync();
        }

        await Eventually.True(() => host.Connections.Count == 0);
        AssertNoneIsWarned(host);
    }

    [Theory]
    [InlineData(false, "504 Gateway Timeout")]
    [InlineData(true, "400 Bad Request")]
    public async Task A_body_that_does_not_come_is_waited_for_within_the_time_of_its_request(bool isSession, string status)
    {
        await using TestHost host = await StartAsync(TimeSpan.FromMilliseconds(200));
        using RawPoll client = await BeginPostAsync(host, isSession);

        await client.ReadUntilAsync("HTTP/1.1 " + status);

        await Eventually.True(() => host.Connections.Count == 0);
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Level >= LogLevel.Error);
    }

    // On a busy machine Kestrel says that its heartbeat is slow.
    private static void AssertNoneIsWarned(TestHost host) =>
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Level >= LogLevel.Warning && record.Id.Name != "HeartbeatSlow");

    private static Task<TestHost> StartAsync(TimeSpan? time = null) => TestHost.StartAsync(
        app =>
        {
            app.UseRequestTimeouts();
            app.MapDuologue<EchoHandler>("/engine.io");
            app.MapTopics("/topics/{**name}").WithOptions(topics => topics.AllowPublishing = true);
        },
        _ => { },
        builder =>
        {
            builder.Services.AddRequestTimeouts(timeouts => timeouts.DefaultPolicy = time is null ? null : new RequestTimeoutPolicy { Timeout = time });
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MinRequestBodyDataRate = null);
        });

    /// <summary>Sends less of a body than it has said, and waits until the body is read.</summary>
    private static async Task<RawPoll> BeginPostAsync(TestHost host, bool isSession)
    {
        string target = "/topics/news";
        if (isSession)
        {
            // Its end is what the body's end makes of it.
            var session = new SessionClient(host);
            await session.OpenAsync();
            target = $"/engine.io?{session.Query}";
            session.Http.Dispose();
        }

        return await BeginPostAsync(host, target);
    }

    private static async Task<RawPoll> BeginPostAsync(TestHost host, string target)
    {
        RawPoll client = await RawPoll.SendAsync(host, $"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
        await client.ReadUntilAsync("100 Continue");
        await client.WriteAsync("4begun");
        return client;
    }
}
