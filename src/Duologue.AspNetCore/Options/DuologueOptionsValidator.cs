using Duologue.Protocol.Handshake;
using Microsoft.Extensions.Options;

namespace Duologue.AspNetCore;

/// <summary>Says of every option that is out of range what it is, what it may be, and where it is set. Written by hand: no reflection.</summary>
internal sealed class DuologueOptionsValidator : IValidateOptions<DuologueOptions>
{
    public ValidateOptionsResult Validate(string? name, DuologueOptions options)
    {
        List<string> failures = FindFailures(nameof(DuologueOptions), options);
        AtLeast(failures, nameof(DuologueOptions), nameof(options.MaxConnections), options.MaxConnections, 0, "connections, 0 for no limit");
        AtLeast(failures, nameof(DuologueOptions), nameof(options.MaxConnectionsPerAddress), options.MaxConnectionsPerAddress, 0, "connections, 0 for no limit");
        AtLeast(failures, nameof(DuologueOptions), nameof(options.MaxHandshakesPerSecond), options.MaxHandshakesPerSecond, 0, "handshakes, 0 for no limit");
        AtLeast(failures, nameof(DuologueOptions), nameof(options.MaxHandshakesPerSecondPerAddress), options.MaxHandshakesPerSecondPerAddress, 0, "handshakes, 0 for no limit");
        AtLeast(failures, nameof(DuologueOptions), nameof(options.MaxSessionsPerAddress), options.MaxSessionsPerAddress, 0, "sessions, 0 for no limit");
        if (options.NodeName is { } node && !SessionId.IsNode(node))
        {
            failures.Add($"{nameof(DuologueOptions)}: {nameof(options.NodeName)} is \"{node}\"; it must have 1 to 64 letters, digits, hyphens and underscores.");
        }

        AtLeast(failures, nameof(DuologueOptions), nameof(options.MaxTopics), options.MaxTopics, 0, "topics, 0 for no limit");
        AtLeast(failures, nameof(DuologueOptions), nameof(options.MaxTopicsPerConnection), options.MaxTopicsPerConnection, 0, "topics, 0 for no limit");
        AtLeast(failures, nameof(DuologueOptions), nameof(options.MaxDedicatedCompressors), options.MaxDedicatedCompressors, 0, "connections");
        FindTopicFailures(failures, options);
        NotNegative(failures, nameof(options.RetryAfter), options.RetryAfter);
        NotNegative(failures, nameof(options.DrainWindow), options.DrainWindow);
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    /// <summary>Checks what an endpoint sets for itself.</summary>
    /// <exception cref="OptionsValidationException">A value is out of its range.</exception>
    public static void ThrowIfInvalid(string where, DuologueEndpointOptions options)
    {
        List<string> failures = FindFailures(where, options);
        if (failures.Count > 0)
        {
            throw new OptionsValidationException(where, typeof(DuologueEndpointOptions), failures);
        }
    }

    private static void FindTopicFailures(List<string> failures, DuologueOptions options)
    {
        const string Where = nameof(DuologueOptions);
        PositiveOrInfinite(failures, Where, nameof(options.TopicIdleLifetime), options.TopicIdleLifetime);
        if (options.TopicIdleLifetime < TimeSpan.FromSeconds(1))
        {
            failures.Add($"{Where}: {nameof(options.TopicIdleLifetime)} is {options.TopicIdleLifetime}; it must be at least 1 s.");
        }

        if (options.MaxTopicHistoryBytes < 0)
        {
            failures.Add($"{Where}: {nameof(options.MaxTopicHistoryBytes)} is {options.MaxTopicHistoryBytes}; it must be at least 0 (bytes).");
        }

        FindHistoryFailures(failures, $"{Where}.{nameof(options.TopicHistory)}", options.TopicHistory);
        foreach ((string pattern, TopicHistory history) in options.TopicHistories)
        {
            string where = $"{Where}.{nameof(options.TopicHistories)}[\"{pattern}\"]";
            if (TopicName.FindPatternError(pattern) is { } error)
            {
                failures.Add($"{where}: {error}");
            }

            FindHistoryFailures(failures, where, history);
        }
    }

    private static void FindHistoryFailures(List<string> failures, string where, TopicHistory? history)
    {
        if (history is null)
        {
            failures.Add($"{where} is null; use {nameof(TopicHistory)}.{nameof(TopicHistory.None)} to keep nothing.");
            return;
        }

        AtLeast(failures, where, nameof(history.MaxCount), history.MaxCount, 0, "messages");
        AtLeast(failures, where, nameof(history.MaxBytes), history.MaxBytes, 0, "bytes");
        if (history.MaxAge <= TimeSpan.Zero || history.MaxAge > TimeSpan.FromDays(49))
        {
            failures.Add($"{where}: {nameof(history.MaxAge)} is {history.MaxAge}; it must be positive and at most 49 days.");
        }

        AtLeast(failures, where, nameof(history.MaxIdempotencyKeys), history.MaxIdempotencyKeys, 1, "keys");
        if (history.MaxIdempotencyKeyAge <= TimeSpan.Zero || history.MaxIdempotencyKeyAge > TimeSpan.FromDays(49))
        {
            failures.Add($"{where}: {nameof(history.MaxIdempotencyKeyAge)} is {history.MaxIdempotencyKeyAge}; it must be positive and at most 49 days.");
        }
    }

    private static List<string> FindFailures(string where, DuologueEndpointOptions options)
    {
        List<string> failures = [];
        AtLeast(failures, where, nameof(options.MaxMessageSize), options.MaxMessageSize, 1, "bytes");
        AtLeast(failures, where, nameof(options.MaxFragments), options.MaxFragments, 0, "fragments, 0 for no limit");
        AtLeast(failures, where, nameof(options.SendQueueLimit), options.SendQueueLimit, 1, "bytes");
        AtLeast(failures, where, nameof(options.MaxControlFramesPerSecond), options.MaxControlFramesPerSecond, 0, "frames, 0 for no limit");
        AtLeast(failures, where, nameof(options.MaxSmallFragmentsPerSecond), options.MaxSmallFragmentsPerSecond, 0, "fragments, 0 for no limit");
        AtLeast(failures, where, nameof(options.MaxMessagesPerSecond), options.MaxMessagesPerSecond, 0, "messages, 0 for no limit");
        AtLeast(failures, where, nameof(options.MaxSessionPayload), options.MaxSessionPayload, 1, "bytes");
        PositiveOrInfinite(failures, where, nameof(options.SessionUpgradeTimeout), options.SessionUpgradeTimeout);
        PositiveOrInfinite(failures, where, nameof(options.KeepAliveInterval), options.KeepAliveInterval);
        PositiveOrInfinite(failures, where, nameof(options.KeepAliveTimeout), options.KeepAliveTimeout);
        PositiveOrInfinite(failures, where, nameof(options.HandshakeTimeout), options.HandshakeTimeout);
        PositiveOrInfinite(failures, where, nameof(options.CloseTimeout), options.CloseTimeout);
        PositiveOrInfinite(failures, where, nameof(options.SendTimeout), options.SendTimeout);
        PositiveOrInfinite(failures, where, nameof(options.MessageTimeout), options.MessageTimeout);
        if (!Enum.IsDefined(options.SendQueuePolicy))
        {
            failures.Add($"{where}: {nameof(options.SendQueuePolicy)} is {options.SendQueuePolicy}, which is none of {string.Join(", ", Enum.GetNames<SendQueuePolicy>())}.");
        }

        if (options.Compression is null)
        {
            failures.Add($"{where}: {nameof(options.Compression)} is null; use Compression.Off for none.");
        }

        if (!Enum.IsDefined(options.HandlerScheduling))
        {
            failures.Add($"{where}: {nameof(options.HandlerScheduling)} is {options.HandlerScheduling}; it must be {nameof(HandlerScheduling.Inline)} or {nameof(HandlerScheduling.ThreadPool)}.");
        }

        foreach (string origin in options.AllowedOrigins)
        {
            if (origin != DuologueEndpointOptions.AnyOrigin && OriginPolicy.Normalize(origin) is null)
            {
                failures.Add($"{where}: {nameof(options.AllowedOrigins)} has \"{origin}\", which is no origin; expected scheme, host and perhaps port, such as https://app.example.com, or * for all.");
            }
        }

        foreach (string header in options.CapturedHeaders)
        {
            if (!HttpToken.IsValid(header))
            {
                failures.Add($"{where}: {nameof(options.CapturedHeaders)} has \"{header}\", which is no name of a header.");
            }
        }

        if (Protocol.Handshake.Subprotocols.FindError([.. options.Subprotocols]) is { } error)
        {
            failures.Add($"{where}: {nameof(options.Subprotocols)}: {error}");
        }

        return failures;
    }

    private static void AtLeast(List<string> failures, string where, string name, int value, int least, string unit)
    {
        if (value < least)
        {
            failures.Add($"{where}: {name} is {value}; it must be at least {least} ({unit}).");
        }
    }

    private static void PositiveOrInfinite(List<string> failures, string where, string name, TimeSpan value)
    {
        // Longer than this no timer of .NET can be set (uint.MaxValue - 1 milliseconds).
        if (value != Timeout.InfiniteTimeSpan && (value <= TimeSpan.Zero || value.TotalMilliseconds > uint.MaxValue - 1))
        {
            failures.Add($"{where}: {name} is {value}; it must be positive and at most 49 days, or Timeout.InfiniteTimeSpan (-00:00:00.0010000) for none.");
        }
    }

    private static void NotNegative(List<string> failures, string name, TimeSpan value)
    {
        if (value < TimeSpan.Zero || value > TimeSpan.FromDays(1))
        {
            failures.Add($"{nameof(DuologueOptions)}: {name} is {value}; it must be between 0 and one day.");
        }
    }
}
