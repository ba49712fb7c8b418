using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore.Tests.Integration;

/// <summary>What ASP.NET Core offers for endpoints works on MapDuologue's.</summary>
public class ConventionTests
{
    [Fact]
    public async Task Rate_limits_hold_for_connects()
    {
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                app.UseRateLimiter();
                app.MapDuologue("/", Talks.Echo).RequireRateLimiting("connects");
            },
            _ => { },
            builder => builder.Services.AddRateLimiter(options =>
            {
                options.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
                options.AddFixedWindowLimiter("connects", window =>
                {
                    window.PermitLimit = 2;
                    window.Window = TimeSpan.FromHours(1);
                });
            }));

        Assert.Equal(101, (await host.HandshakeAsync("/")).Status);
        Assert.Equal(101, (await host.HandshakeAsync("/")).Status);
        Assert.Equal(429, (await host.HandshakeAsync("/")).Status);
    }

    [Fact]
    public async Task A_CORS_policy_answers_the_preflight_and_leaves_the_origin_check_alone()
    {
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                app.UseCors();
                app.MapDuologue("/", Talks.Echo).RequireCors(policy => policy.WithOrigins("https://app.test").WithMethods("GET"));
            },
            _ => { },
            builder => builder.Services.AddCors());
        await using RawClient client = await RawClient.ConnectAsync(host.Url);

        RawAnswer preflight = await client.RequestAsync("OPTIONS / HTTP/1.1\r\nHost: example.com\r\nOrigin: https://app.test\r\nAccess-Control-Request-Method: GET\r\n\r\n");
        RawAnswer handshake = await host.HandshakeAsync("/", ("Origin", "https://app.test"));

        Assert.Equal(204, preflight.Status);
        Assert.Equal("https://app.test", preflight["Access-Control-Allow-Origin"]);
        Assert.Equal(403, handshake.Status);
    }

    [Fact]
    public async Task A_host_may_be_required()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/", Talks.Echo).RequireHost("talk.example"));

        Assert.Equal(404, (await host.HandshakeAsync("/")).Status);
        Assert.Equal(101, (await host.HandshakeAsync("/", ("Host", "talk.example"))).Status);
    }

    [Fact]
    public async Task Groups_and_route_values_work_and_the_request_is_captured()
    {
        RequestInfo? captured = null;
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.UsePathBase("/base");
            app.UseRouting();
            app.MapGroup("/rooms").MapDuologue("/{room}", connection =>
            {
                captured = connection.Request;
                return connection.SendAsync(connection.Request!.Path).AsTask();
            }).WithOptions(o =>
            {
                o.CapturedHeaders.Add("x-kept");
                o.CapturedHeaders.Add("X-Absent");
            });
        });
        using ClientWebSocket client = await host.ConnectAsync("/base/rooms/blue%20one?x=1&y=2", options =>
        {
            options.SetRequestHeader("X-Kept", "a value");
            options.SetRequestHeader("X-Other", "another");
            options.SetRequestHeader("Origin", $"http://{host.Url.Authority}");
        });

        Assert.Equal("/base/rooms/blue one", await client.ReceiveTextAsync());
        Assert.NotNull(captured);
        Assert.Equal(("room", "blue one"), (Assert.Single(captured.RouteValues).Key, captured.RouteValues["ROOM"]));
        Assert.Equal("?x=1&y=2", captured.QueryString);
        Assert.Equal($"http://{host.Url.Authority}", captured.Origin);
        Assert.Equal("a value", captured.Headers["X-Kept"]);
        Assert.Single(captured.Headers);
        Assert.False(captured.User.Identity?.IsAuthenticated ?? false);
        Assert.NotEqual(0, captured.RemoteEndPoint!.Port);
    }
}
