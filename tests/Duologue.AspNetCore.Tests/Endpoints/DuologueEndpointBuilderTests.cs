using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Duologue.AspNetCore.Tests.Endpoints;

public class DuologueEndpointBuilderTests
{
    [Fact]
    public async Task Services_at_one_URL_are_told_apart_by_subprotocol()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/service")
            .WithSubprotocol<Upper>("upper")
            .WithSubprotocol<EchoHandler>("echo")
            .WithSubprotocol("once", async connection => await connection.SendAsync("one message")));

        Assert.Equal("HELLO", await AskAsync(host, "/service", "upper"));
        Assert.Equal("hello", await AskAsync(host, "/service", "echo"));
        Assert.Equal("one message", await AskAsync(host, "/service", "once"));
    }

    [Fact]
    public async Task Of_several_offers_the_server_prefers_what_was_mapped_first()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/service")
            .WithSubprotocol<Upper>("upper")
            .WithSubprotocol<EchoHandler>("echo"));
        using ClientWebSocket client = await host.ConnectAsync("/service", options =>
        {
            options.AddSubProtocol("echo");
            options.AddSubProtocol("upper");
        });

        await client.SendTextAsync("hello");

        Assert.Equal("upper", client.SubProtocol);
        Assert.Equal("HELLO", await client.ReceiveTextAsync());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("other")]
    [InlineData("Echo")]
    public async Task Dispatch_refuses_who_offers_nothing_that_it_has(string? offer)
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/service").WithSubprotocol<EchoHandler>("echo"));

        RawAnswer answer = await host.HandshakeAsync("/service", ("Sec-WebSocket-Protocol", offer));

        Assert.Equal(400, answer.Status);
        Assert.Contains("echo", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_default_handler_takes_who_offers_nothing_else()
    {
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue("/service", Talks.Echo).WithSubprotocol<Upper>("upper"));

        Assert.Equal("HELLO", await AskAsync(host, "/service", "upper"));
        Assert.Equal("hello", await AskAsync(host, "/service", null));
    }

    [Fact]
    public async Task Limits_hold_per_endpoint()
    {
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                app.MapDuologue("/small", Talks.Echo).WithOptions(o => o.MaxMessageSize = 10);
                app.MapDuologue("/large", Talks.Echo);
            },
            options => options.MaxMessageSize = 100);
        using ClientWebSocket small = await host.ConnectAsync("/small");
        using ClientWebSocket large = await host.ConnectAsync("/large");

        await small.SendTextAsync("12345678901");
        await large.SendTextAsync("12345678901");

        Assert.StartsWith("close 1009", await small.ReceiveTextAsync(), StringComparison.Ordinal);
        Assert.Equal("12345678901", await large.ReceiveTextAsync());
    }

    [Fact]
    public async Task A_pattern_without_a_handler_failed_at_its_first_request()
    {
        InvalidOperationException error = await Assert.ThrowsAsync<InvalidOperationException>(() => TestHost.StartAsync(app => app.MapDuologue("/empty")));
        Assert.Contains("MapDuologue(\"/empty\") has no handler", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pattern_without_a_handler_that_is_mapped_by_a_startup_class_fails_the_start()
    {
        using IHost host = new HostBuilder().ConfigureWebHost(web => web
            .UseKestrel()
            .UseUrls("http://127.0.0.1:0")
            .ConfigureServices(services => services.AddDuologue())
            .Configure(app => app.UseRouting().UseEndpoints(endpoints => endpoints.MapDuologue("/empty")))).Build();
        InvalidOperationException error = await Assert.ThrowsAsync<InvalidOperationException>(() => host.StartAsync(TestContext.Current.CancellationToken));
        Assert.Contains("MapDuologue(\"/empty\") has no handler", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pattern_without_a_handler_that_is_mapped_later_fails_its_first_request()
    {
        InvalidOperationException error = await Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            WebApplication mapped = null!;
            await using TestHost host = await TestHost.StartAsync(app => mapped = app);
            mapped.MapDuologue("/empty");
            _ = ((Microsoft.AspNetCore.Routing.IEndpointRouteBuilder)mapped).DataSources.SelectMany(source => source.Endpoints).ToArray();
        });
        Assert.Contains("MapDuologue(\"/empty\") has no handler", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not a token", "is not a token")]
    [InlineData("echo", "named twice")]
    public async Task A_wrong_subprotocol_is_an_error_at_start(string name, string sentence)
    {
        ArgumentException error = await Assert.ThrowsAsync<ArgumentException>(() => TestHost.StartAsync(
            app => app.MapDuologue("/service").WithSubprotocol<EchoHandler>("echo").WithSubprotocol<Upper>(name)));

        Assert.Contains(sentence, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mapping_without_AddDuologue_says_what_to_call()
    {
        WebApplication app = WebApplication.CreateSlimBuilder().Build();

        InvalidOperationException error = Assert.Throws<InvalidOperationException>(() => app.MapDuologue("/", Talks.Echo));

        Assert.Contains("builder.Services.AddDuologue()", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_whose_service_is_missing_stops_the_start()
    {
        InvalidOperationException error = await Assert.ThrowsAsync<InvalidOperationException>(
            () => TestHost.StartAsync(app => app.MapDuologue<NeedsService>("/")));

        Assert.Contains(nameof(Missing), error.Message, StringComparison.Ordinal);
    }

    private static async Task<string> AskAsync(TestHost host, string path, string? subprotocol)
    {
        using ClientWebSocket client = await host.ConnectAsync(path, options =>
        {
            if (subprotocol is not null)
            {
                options.AddSubProtocol(subprotocol);
            }
        });
        Assert.Equal(subprotocol, client.SubProtocol);
        await client.SendTextAsync("hello");
        return await client.ReceiveTextAsync();
    }

    private sealed class Upper : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            connection.Send(message.Text.ToUpperInvariant());
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Missing;

    private sealed class NeedsService(Missing missing) : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            connection.Send(missing.ToString()!);
            return ValueTask.CompletedTask;
        }
    }
}
