using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Duologue.AspNetCore.Tests.Configuration;

public class DuologueOptionsTests
{
    [Fact]
    public void The_defaults_are_those_of_a_connection_and_what_a_server_does_not_wait_for()
    {
        var settings = new EndpointSettings(new DuologueOptions(), TimeProvider.System);

        Assert.Equal(new ConnectionOptions { SendTimeout = TimeSpan.FromSeconds(30), MessageTimeout = TimeSpan.FromMinutes(2) }, settings.Connection);
    }

    [Fact]
    public void Every_limit_reaches_the_connection()
    {
        var options = new DuologueOptions
        {
            MaxMessageSize = 11,
            MaxFragments = 12,
            SendQueueLimit = 13,
            SendQueuePolicy = SendQueuePolicy.DropOldest,
            KeepAliveInterval = TimeSpan.FromSeconds(14),
            KeepAliveTimeout = TimeSpan.FromSeconds(15),
            CloseTimeout = TimeSpan.FromSeconds(16),
            MaxControlFramesPerSecond = 17,
            MaxMessagesPerSecond = 18,
            Compression = Compression.Dedicated(10),
            SendTimeout = TimeSpan.FromSeconds(19),
            MessageTimeout = TimeSpan.FromSeconds(20),
            MaxSmallFragmentsPerSecond = 21,
        };

        ConnectionOptions connection = new EndpointSettings(options, TimeProvider.System).Connection;

        Assert.Equal(
            new ConnectionOptions
            {
                MaxMessageSize = 11,
                MaxFragments = 12,
                SendQueueLimit = 13,
                SendQueuePolicy = SendQueuePolicy.DropOldest,
                KeepAliveInterval = TimeSpan.FromSeconds(14),
                KeepAliveTimeout = TimeSpan.FromSeconds(15),
                CloseTimeout = TimeSpan.FromSeconds(16),
                MaxControlFramesPerSecond = 17,
                MaxMessagesPerSecond = 18,
                Compression = Compression.Dedicated(10),
                SendTimeout = TimeSpan.FromSeconds(19),
                MessageTimeout = TimeSpan.FromSeconds(20),
                MaxSmallFragmentsPerSecond = 21,
            },
            connection);
    }

    [Fact]
    public void An_endpoint_gets_its_own_copy_of_everything()
    {
        var server = new DuologueOptions { MaxMessageSize = 2, HandshakeTimeout = TimeSpan.FromSeconds(3) };
        server.AllowedOrigins.Add("https://a.test");
        server.CapturedHeaders.Add("X-A");
        server.Subprotocols.Add("a");

        server.SendTimeout = TimeSpan.FromSeconds(5);
        server.MessageTimeout = TimeSpan.FromSeconds(6);
        server.MaxSmallFragmentsPerSecond = 7;

        var copy = new DuologueEndpointOptions.Copied(server);
        copy.AllowedOrigins.Clear();
        copy.MaxMessageSize = 4;

        Assert.Equal(TimeSpan.FromSeconds(3), copy.HandshakeTimeout);
        Assert.Equal((TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(6), 7), (copy.SendTimeout, copy.MessageTimeout, copy.MaxSmallFragmentsPerSecond));
        Assert.Equal(["X-A"], copy.CapturedHeaders);
        Assert.Equal(["a"], copy.Subprotocols);
        Assert.Equal(2, server.MaxMessageSize);
        Assert.Single(server.AllowedOrigins);
    }

    [Fact]
    public void They_bind_from_configuration()
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["MaxMessageSize"] = "4096",
            ["SendQueuePolicy"] = "DropNewest",
            ["KeepAliveInterval"] = "00:00:30",
            ["AllowedOrigins:0"] = "https://a.test",
            ["AllowedOrigins:1"] = "https://b.test",
            ["DrainWindow"] = "00:00:02",
        }).Build();
        var options = new DuologueOptions();

        configuration.Bind(options);

        Assert.Equal(4096, options.MaxMessageSize);
        Assert.Equal(SendQueuePolicy.DropNewest, options.SendQueuePolicy);
        Assert.Equal(TimeSpan.FromSeconds(30), options.KeepAliveInterval);
        Assert.Equal(["https://a.test", "https://b.test"], options.AllowedOrigins);
        Assert.Equal(TimeSpan.FromSeconds(2), options.DrainWindow);
    }

    [Fact]
    public void AllowAnyOrigin_twice_is_once()
    {
        var options = new DuologueOptions();
        options.AllowAnyOrigin();
        options.AllowAnyOrigin();

        Assert.Equal(["*"], options.AllowedOrigins);
    }

    [Fact]
    public async Task They_are_made_and_validated_once()
    {
        int made = 0;
        int validated = 0;
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/talk", Talks.Echo),
            _ => made++,
            builder => builder.Services.AddOptions<DuologueOptions>().Validate(_ => ++validated > 0));

        Assert.Equal((1, 1), (made, validated));
    }

    [Fact]
    public async Task A_wrong_option_stops_the_start_and_is_named()
    {
        OptionsValidationException error = await Assert.ThrowsAsync<OptionsValidationException>(
            () => TestHost.StartAsync(_ => { }, options => options.MaxMessageSize = 0));

        Assert.Contains("MaxMessageSize is 0; it must be at least 1 (bytes)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_option_of_an_endpoint_names_the_endpoint()
    {
        OptionsValidationException error = await Assert.ThrowsAsync<OptionsValidationException>(() => TestHost.StartAsync(
            app => app.MapDuologue("/talk", Talks.Echo).WithOptions(o => o.AllowedOrigins.Add("app.example.com"))));

        Assert.Contains("MapDuologue(\"/talk\")", error.Message, StringComparison.Ordinal);
        Assert.Contains("\"app.example.com\", which is no origin", error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, Action<DuologueOptions>> Wrong => new()
    {
        { "MaxMessageSize", o => o.MaxMessageSize = 0 },
        { "MaxFragments", o => o.MaxFragments = -1 },
        { "SendQueueLimit", o => o.SendQueueLimit = 0 },
        { "SendQueuePolicy", o => o.SendQueuePolicy = (SendQueuePolicy)99 },
        { "KeepAliveInterval", o => o.KeepAliveInterval = TimeSpan.Zero },
        { "KeepAliveTimeout", o => o.KeepAliveTimeout = TimeSpan.FromSeconds(-5) },
        { "HandshakeTimeout", o => o.HandshakeTimeout = TimeSpan.Zero },
        { "CloseTimeout", o => o.CloseTimeout = TimeSpan.MaxValue },
        { "MaxControlFramesPerSecond", o => o.MaxControlFramesPerSecond = -1 },
        { "MaxMessagesPerSecond", o => o.MaxMessagesPerSecond = -1 },
        { "SendTimeout", o => o.SendTimeout = TimeSpan.Zero },
        { "MessageTimeout", o => o.MessageTimeout = TimeSpan.FromSeconds(-1) },
        { "MaxSmallFragmentsPerSecond", o => o.MaxSmallFragmentsPerSecond = -1 },
        { "MaxHandshakesPerSecond", o => o.MaxHandshakesPerSecond = -1 },
        { "MaxHandshakesPerSecondPerAddress", o => o.MaxHandshakesPerSecondPerAddress = -1 },
        { "AllowedOrigins", o => o.AllowedOrigins.Add("null") },
        { "AllowedOrigins", o => o.AllowedOrigins.Add("https://a.test/path") },
        { "CapturedHeaders", o => o.CapturedHeaders.Add("X Y") },
        { "Subprotocols", o => o.Subprotocols.Add("a b") },
        { "MaxConnections", o => o.MaxConnections = -1 },
        { "MaxConnectionsPerAddress", o => o.MaxConnectionsPerAddress = -1 },
        { "RetryAfter", o => o.RetryAfter = TimeSpan.FromSeconds(-1) },
        { "DrainWindow", o => o.DrainWindow = Timeout.InfiniteTimeSpan },
        { "MaxTopics", o => o.MaxTopics = -1 },
        { "MaxTopicsPerConnection", o => o.MaxTopicsPerConnection = -1 },
    };

    [Theory]
    [MemberData(nameof(Wrong), DisableDiscoveryEnumeration = true)]
    public void What_is_out_of_range_is_named(string name, Action<DuologueOptions> configure)
    {
        var options = new DuologueOptions();
        configure(options);

        ValidateOptionsResult result = new DuologueOptionsValidator().Validate(null, options);

        Assert.StartsWith($"DuologueOptions: {name} ", Assert.Single(result.Failures!).Replace($"{name}:", $"{name} ", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public void The_defaults_are_valid()
    {
        Assert.True(new DuologueOptionsValidator().Validate(null, new DuologueOptions()).Succeeded);
    }
}
