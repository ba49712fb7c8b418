using System.Net;
using System.Net.WebSockets;
using System.Security.Claims;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore.Tests.Integration;

public class AuthenticationTests
{
    [Fact]
    public async Task A_cookie_signs_a_connection_in_and_outlives_the_request()
    {
        await using TestHost host = await StartAsync();
        var cookies = new CookieContainer();
        using var handler = new HttpClientHandler { CookieContainer = cookies };
        using var http = new HttpClient(handler) { BaseAddress = host.Url };
        using HttpResponseMessage signedIn = await http.PostAsync(new Uri("/sign-in?user=ann", UriKind.Relative), null, TestContext.Current.CancellationToken);
        signedIn.EnsureSuccessStatusCode();
        using ClientWebSocket client = await host.ConnectAsync("/private", options => options.Cookies = cookies);

        Assert.Equal("hello ann", await client.ReceiveTextAsync());
        Assert.Equal(1, host.Connections.CountByUser("ann"));
        host.Connections.SendToUser("ann", "for you");
        Assert.Equal("for you", await client.ReceiveTextAsync());
    }

    [Fact]
    public async Task Who_is_not_signed_in_gets_401_where_authorization_is_required()
    {
        await using TestHost host = await StartAsync();

        Assert.Equal(401, (await host.HandshakeAsync("/private")).Status);
        Assert.Equal(101, (await host.HandshakeAsync("/public")).Status);
        await Eventually.True(() => host.Connections.Count == 0);
    }

    [Fact]
    public async Task A_token_as_subprotocol_signs_in_without_being_answered_or_logged()
    {
        const string Token = "secret-token-of-ann";
        await using TestHost host = await StartAsync();
        using ClientWebSocket client = await host.ConnectAsync("/by-token", options =>
        {
            options.AddSubProtocol("chat");
            options.AddSubProtocol("token." + Token);
        });

        Assert.Equal("hello ann", await client.ReceiveTextAsync());
        Assert.Equal("chat", client.SubProtocol);
        Assert.Equal(401, (await host.HandshakeAsync("/by-token", ("Sec-WebSocket-Protocol", "chat, token.wrong"))).Status);

        // Malformed too: the sentence that quotes it is the client's own.
        RawAnswer malformed = await host.HandshakeAsync("/public", ("Sec-WebSocket-Protocol", $"chat, token.{Token}="));
        Assert.Contains(Token, malformed.Body, StringComparison.Ordinal);
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Category!.StartsWith("Duologue", StringComparison.Ordinal) && record.Message.Contains(Token, StringComparison.Ordinal));
    }

    private static Task<TestHost> StartAsync() => TestHost.StartAsync(
        app =>
        {
            app.Use((context, next) =>
            {
                // As docs/authentication.md shows it.
                if (context.Request.Headers.GetCommaSeparatedValues("Sec-WebSocket-Protocol").Contains("token.secret-token-of-ann"))
                {
                    context.User = new ClaimsPrincipal(new ClaimsIdentity([new(ClaimTypes.NameIdentifier, "ann")], "token"));
                }

                return next(context);
            });
            app.UseRouting();
            app.UseAuthentication();
            app.UseAuthorization();
            app.MapPost("/sign-in", (HttpContext context, string user) => context.SignInAsync(
                new ClaimsPrincipal(new ClaimsIdentity([new(ClaimTypes.NameIdentifier, user)], CookieAuthenticationDefaults.AuthenticationScheme))));
            app.MapDuologue("/private", GreetAsync).RequireAuthorization();
            app.MapDuologue("/public", Talks.Idle);
            app.MapDuologue("/by-token", GreetAsync)
                .WithOptions(o => o.Subprotocols.Add("chat"))
                .RequireAuthorization(policy => policy.RequireAssertion(context => context.User.HasClaim(ClaimTypes.NameIdentifier, "ann")));
        },
        _ => { },
        builder =>
        {
            builder.Services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie(options =>
                options.Events.OnRedirectToLogin = context =>
                {
                    context.Response.StatusCode = StatusCodes.Status401Unauthorized;
                    return Task.CompletedTask;
                });
            builder.Services.AddAuthorization();
        });

    private static async Task GreetAsync(Connection connection)
    {
        await connection.SendAsync($"hello {connection.Request!.User.FindFirstValue(ClaimTypes.NameIdentifier)}");
        await Talks.Idle(connection);
    }
}
