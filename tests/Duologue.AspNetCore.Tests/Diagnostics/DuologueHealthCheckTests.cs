using System.Net;
using System.Net.WebSockets;
using System.Text.Json;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore.Tests.Diagnostics;

public class DuologueHealthCheckTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static Task<TestHost> StartAsync(int limit) => TestHost.StartAsync(
        app =>
        {
            app.MapDuologue("/", Talks.Idle);
            app.MapHealthChecks("/health", new HealthCheckOptions
            {
                ResponseWriter = (context, report) => context.Response.WriteAsync(JsonSerializer.Serialize(new
                {
                    Status = report.Status.ToString(),
                    report.Entries["duologue"].Description,
                    report.Entries["duologue"].Data,
                })),
            });
        },
        options =>
        {
            options.MaxConnections = limit;
            options.CloseTimeout = TestHost.Patience;
        },
        builder => builder.Services.AddHealthChecks().AddDuologue());

    private static async Task<(HttpStatusCode Status, string Report)> AskAsync(HttpClient client, TestHost host)
    {
        using HttpResponseMessage response = await client.GetAsync(new Uri(host.Url, "/health"), Cancelled);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Cancelled));
    }

    [Fact]
    public async Task It_is_healthy_while_there_is_room_degraded_when_nearly_full_and_unhealthy_while_draining()
    {
        await using TestHost host = await StartAsync(limit: 10);
        using var http = new HttpClient();
        var clients = new List<ClientWebSocket>();
        for (int i = 0; i < 8; i++)
        {
            clients.Add(await host.ConnectAsync("/"));
        }

        Assert.Equal((HttpStatusCode.OK, """{"Status":"Healthy","Description":null,"Data":{"connections":8,"limit":10,"draining":false}}"""), await AskAsync(http, host));
        clients.Add(await host.ConnectAsync("/"));
        Assert.Equal(
            (HttpStatusCode.OK, """{"Status":"Degraded","Description":"9 of 10 connections (MaxConnections) are taken.","Data":{"connections":9,"limit":10,"draining":false}}"""),
            await AskAsync(http, host));

        // Nobody answers the Close, so the drain goes on while the question is asked.
        Task stopping = host.StopAsync();
        Assert.StartsWith("close 1001", await clients[0].ReceiveTextAsync(), StringComparison.Ordinal);
        Assert.Equal(
            (HttpStatusCode.ServiceUnavailable, """{"Status":"Unhealthy","Description":"The server is shutting down and takes no more connections.","Data":{"connections":9,"limit":10,"draining":true}}"""),
            await AskAsync(http, host));
        await Task.WhenAll(clients.Select(client => client.CloseAsync()));
        await stopping;
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task Without_a_limit_it_never_nears_one()
    {
        await using TestHost host = await StartAsync(limit: 0);
        using var http = new HttpClient();
        using ClientWebSocket client = await host.ConnectAsync("/");
        Assert.Equal((HttpStatusCode.OK, """{"Status":"Healthy","Description":null,"Data":{"connections":1,"limit":0,"draining":false}}"""), await AskAsync(http, host));
    }

    [Fact]
    public async Task A_name_and_tags_may_be_given()
    {
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapHealthChecks("/ready", new HealthCheckOptions { Predicate = check => check.Name == "talk" && check.Tags.Contains("ready") }),
            _ => { },
            builder => builder.Services.AddHealthChecks().AddDuologue("talk", ["ready"]));
        using var http = new HttpClient();
        Assert.Equal("Healthy", await http.GetStringAsync(new Uri(host.Url, "/ready"), Cancelled));
    }
}
