using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Duologue.AspNetCore.Tests.Integration;

/// <summary>What docs/testing.md tells the author of an application to do.</summary>
public class ApplicationFactoryTests
{
    [Fact]
    public async Task An_application_is_tested_on_Kestrel()
    {
        await using var factory = new Factory();
        factory.UseKestrel(0);
        factory.StartServer();
        string address = factory.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        var url = new UriBuilder(address) { Scheme = "ws", Path = "/talk" }.Uri;
        using var client = new ClientWebSocket();

        await client.ConnectAsync(url, TestContext.Current.CancellationToken);
        await client.SendTextAsync("hello");

        Assert.Equal("hello", await client.ReceiveTextAsync());
        await client.CloseAsync();
    }

    [Fact]
    public async Task On_TestServer_the_answer_says_what_to_do()
    {
        await using var factory = new Factory();
        using HttpClient client = factory.CreateClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("/talk", UriKind.Relative));
        request.Headers.Add("Connection", "Upgrade");
        request.Headers.Add("Upgrade", "websocket");
        request.Headers.Add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        request.Headers.Add("Sec-WebSocket-Version", "13");

        using HttpResponseMessage answer = await client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(System.Net.HttpStatusCode.NotImplemented, answer.StatusCode);
        Assert.Contains("UseKestrel", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    // Stands for the Program of the application under test.
    private sealed class Factory : WebApplicationFactory<ApplicationFactoryTests>
    {
        protected override IHostBuilder CreateHostBuilder() => Host.CreateDefaultBuilder().ConfigureWebHostDefaults(web => web
            .ConfigureServices(services => services.AddDuologue())
            .Configure(app => app.UseRouting().UseEndpoints(endpoints => endpoints.MapDuologue("/talk", Talks.Echo))));

        protected override void ConfigureWebHost(IWebHostBuilder builder) => builder.UseContentRoot(AppContext.BaseDirectory);
    }
}
