using System.CommandLine;
using System.Globalization;
using System.Net;
using Duologue.Cli.Terminal;
using StackExchange.Redis;

namespace Duologue.Cli.Serve;

/// <summary><c>--redis</c>: where the topics are that the nodes share.</summary>
internal static class RedisChoice
{
    private const string Name = "--redis";
    private const string Expected = $"{Name} takes HOST:PORT, perhaps with options of StackExchange.Redis, such as localhost:6379 or cache:6380,ssl=true,password=secret";

    public static Option<ConfigurationOptions?> Create() => new(Name)
    {
        Description = "The Redis, Valkey or Garnet in which topics are kept, so that those of all nodes with the same are one: HOST:PORT, perhaps with options, such as cache:6380,ssl=true,password=secret. Default none: this process keeps its own.",
        HelpName = "HOST:PORT",
        CustomParser = static result =>
        {
            string given = result.Tokens.Count == 0 ? "" : result.Tokens[0].Value;
            string? error = TryRead(given, out ConfigurationOptions? configuration);
            if (error is not null)
            {
                result.AddError(error);
            }

            return configuration;
        },
    };

    /// <summary>Shares the topics, takes the requests of its sessions from other nodes where there is an address, and tells of the link.</summary>
    public static void Apply(WebApplicationBuilder builder, ConfigurationOptions configuration, string? node, Uri? address, LogLevel level, Report report)
    {
        builder.Services.UseRedis(configuration, redis =>
        {
            redis.NodeName = node ?? redis.NodeName;
            redis.NodeAddress = address;
        });
        builder.Services.AddSingleton(report);
        builder.Services.AddHostedService<RedisWatch>();
        if (level > LogLevel.Information)
        {
            // That the link is lost and found is said by the command itself, in one line each.
            builder.Logging.AddFilter("Duologue.Redis", LogLevel.Error);
        }
    }

    /// <summary>The servers, without what else the configuration holds: there may be a password in it.</summary>
    public static string Describe(ConfigurationOptions configuration) =>
        string.Join(", ", configuration.EndPoints.Select(static each => each is DnsEndPoint named ? string.Create(CultureInfo.InvariantCulture, $"{named.Host}:{named.Port}") : each.ToString()));

    // Never says what it was given: there may be a password in it.
    internal static string? TryRead(string given, out ConfigurationOptions? configuration)
    {
        configuration = null;
        if (given.Contains("://", StringComparison.Ordinal))
        {
            return $"{Expected}; it was given a URL. Leave out what stands before the host; ssl=true is TLS.";
        }

        if (string.IsNullOrWhiteSpace(given))
        {
            return $"{Expected}; no server is named.";
        }

        ConfigurationOptions read;
        try
        {
            read = ConfigurationOptions.Parse(given);
        }
        catch (ArgumentException e)
        {
            return $"{Expected}; this cannot be read: {e.Message.ReplaceLineEndings(" ").Split(" (Parameter ")[0].TrimEnd('.')}.";
        }

        if (read.EndPoints.Count == 0)
        {
            // The client library passes over what it cannot read as a host with a port.
            return $"{Expected}; no host with a port from 1 to 65535 is named.";
        }

        if (read.EndPoints.OfType<DnsEndPoint>().FirstOrDefault(static each => Uri.CheckHostName(each.Host) == UriHostNameType.Unknown) is { } bad)
        {
            return $"{Expected}; \"{bad.Host}\" is no host with a port from 1 to 65535.";
        }

        // The port of Redis where none is given.
        read.SetDefaultPorts();
        configuration = read;
        return null;
    }
}
