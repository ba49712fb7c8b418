using Duologue.AspNetCore;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>The options of the broker on Redis, Valkey or Garnet. Validated when the application starts.</summary>
public sealed class RedisBrokerOptions
{
    private readonly string _defaultName = NewName();
    private string? _nodeName;

    /// <summary>Where the server is, and how to get in: TLS, user, password. One of this and <see cref="ConnectionFactory"/> is needed. Default none.</summary>
    public ConfigurationOptions? Configuration { get; set; }

    /// <summary>Gives a connection that the application makes, and disposes of, by itself; asked again after a failure. Default none.</summary>
    public Func<IServiceProvider, Task<IConnectionMultiplexer>>? ConnectionFactory { get; set; }

    /// <summary>What all keys and the channel begin with. Default <c>duologue:</c>; at most 64 characters, without braces: what stands in braces is the tag that keeps a topic's keys together.</summary>
    public string KeyPrefix { get; set; } = "duologue:";

    /// <summary>
    /// The node's name, as others see it, and what the ids of its sessions begin with: 1 to 64 letters, digits, hyphens and underscores; no two nodes have the same. Default
    /// <see cref="DuologueOptions.NodeName"/>, or the machine's name and a random end.
    /// </summary>
    public string NodeName
    {
        get => _nodeName ?? _defaultName;
        set => _nodeName = value;
    }

    /// <summary>
    /// The URL by which other nodes reach this one, such as <c>http://10.0.0.1:8080</c>: they send it the requests of its sessions. The port 0 stands for that of the
    /// server's first address. Default none: it takes no forwards, and a balancer has to
    /// send each session's requests to its node.
    /// </summary>
    public Uri? NodeAddress { get; set; }

    /// <summary>The most publishes that wait for the server or its answer. Default 10,000; at least 1. Passed: a publish throws <see cref="Duologue.AspNetCore.BrokerUnavailableException"/>.</summary>
    public int MaxPendingPublishes { get; set; } = 10_000;

    /// <summary>The most bytes of payload that wait so. Default 64 MiB; at least 1. Passed: a publish throws <see cref="Duologue.AspNetCore.BrokerUnavailableException"/>.</summary>
    public long MaxPendingBytes { get; set; } = 64L * 1024 * 1024;

    /// <summary>
    /// How long a publish waits for the server, or for its answer, before it is refused with <see cref="Duologue.AspNetCore.BrokerUnavailableException"/>. Default 10 s; positive, at most 1 h. From when
    /// the application begins to stop at most 5 s.
    /// </summary>
    public TimeSpan PublishTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How often a node tells the others that it lives, and finds that its link does. Default 1 s; 0.1 to 60 s. Five of these are a node's lease, after which it is gone, and a link that was not heard of for five is interrupted; after ten the
    /// connection is given up and made anew, if it was made from <see cref="Configuration"/>.
    /// </summary>
    public TimeSpan HeartbeatInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Whether nodes make known to each other who subscribes to what, so that <see cref="Topics.ListSubscribers"/>, <see cref="Topics.Joined"/> and the presence of <c>duologue.topics.v1</c> mean all of
    /// them. Default true. False: each node tells of its own subscribers only, and keeps nothing of others; the same for all nodes.
    /// </summary>
    public bool SharePresence { get; set; } = true;

    /// <summary>
    /// How long a node may hold what it has heard of until more has come that leaves for the same receivers in the same system call. It does only while it delivers much, and
    /// what gathers is for the same receivers. Default 10 ms; 0 to 100 ms; less than 1 ms: never.
    /// </summary>
    public TimeSpan GatherTime { get; set; } = TimeSpan.FromMilliseconds(10);

    /// <summary>For tests: for how long a node is tried that does not answer. One answers its own network at once or not at all.</summary>
    internal TimeSpan ForwardConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>For tests: for how long another node holds a poll that is forwarded to it, at most; null for as long as it would anyhow.</summary>
    internal TimeSpan? LongestForwardedPoll { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>For tests: the version of the keys' layout.</summary>
    internal int Layout { get; set; } = TopicScripts.LayoutVersion;

    internal bool IsNodeNameSet => _nodeName is not null;

    private static string NewName()
    {
        string machine = string.Concat(Environment.MachineName.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-'));
        return $"{machine[..Math.Min(machine.Length, 55)]}-{Guid.NewGuid():N}"[..(Math.Min(machine.Length, 55) + 9)];
    }
}

/// <summary>Says of all options at once what is wrong with them.</summary>
internal sealed class RedisBrokerOptionsValidator : IValidateOptions<RedisBrokerOptions>
{
    public ValidateOptionsResult Validate(string? name, RedisBrokerOptions options)
    {
        var failures = new List<string>();
        Check(options.Configuration is not null ^ options.ConnectionFactory is not null, "Configuration, ConnectionFactory: set one of them.");
        Check(options.Configuration is null || options.Configuration.EndPoints.Count > 0, "Configuration names no server; give HOST:PORT.");
        Check(options.KeyPrefix is { Length: > 0 and <= 64 } && options.KeyPrefix.AsSpan().IndexOfAny('{', '}') < 0, "KeyPrefix has 1 to 64 characters, none of which is a brace.");
        Check(SessionId.IsNode(options.NodeName), $"NodeName is \"{options.NodeName}\"; it must have 1 to 64 letters, digits, hyphens and underscores.");
        Check(options.NodeAddress is null || NodeEntry.IsAddress(options.NodeAddress), $"NodeAddress is \"{options.NodeAddress}\"; it must be an absolute http or https URL without query, fragment and user.");
        Check(options.MaxPendingPublishes >= 1, $"MaxPendingPublishes is {options.MaxPendingPublishes}; it must be at least 1.");
        Check(options.MaxPendingBytes >= 1, $"MaxPendingBytes is {options.MaxPendingBytes}; it must be at least 1.");
        Check(options.PublishTimeout > TimeSpan.Zero && options.PublishTimeout <= TimeSpan.FromHours(1), $"PublishTimeout is {options.PublishTimeout}; it must be positive and at most 1 h.");
        Check(options.HeartbeatInterval >= TimeSpan.FromSeconds(0.1) && options.HeartbeatInterval <= TimeSpan.FromSeconds(60), $"HeartbeatInterval is {options.HeartbeatInterval}; it must be 0.1 to 60 s.");
        Check(options.GatherTime >= TimeSpan.Zero && options.GatherTime <= TimeSpan.FromMilliseconds(100), $"GatherTime is {options.GatherTime}; it must be 0 to 100 ms.");
        return failures.Count > 0 ? ValidateOptionsResult.Fail(failures.Select(failure => $"{nameof(RedisBrokerOptions)}: {failure}")) : ValidateOptionsResult.Success;

        void Check(bool holds, string failure)
        {
            if (!holds)
            {
                failures.Add(failure);
            }
        }
    }
}
