using System.Globalization;
using Duologue.AspNetCore;
using Duologue.Conformance.Cases;

namespace Duologue.Conformance.Subjects;

/// <summary>The application that all judged peers run: it answers each message with the same message, and closes when it is told to.</summary>
internal static class Echo
{
    /// <summary>A text that begins so is a command: <c>!close 4000 because</c>.</summary>
    public const string CloseCommand = "!close ";

    /// <summary>A text that begins so is answered as all are, but not at once.</summary>
    public const string LateCommand = "!late ";

    public static async Task TalkAsync(Connection connection)
    {
        await foreach (Message message in connection.ReadAllAsync())
        {
            await AnswerAsync(connection, message);
        }
    }

    public static ValueTask AnswerAsync(Connection connection, Message message)
    {
        string command = message.Type == MessageType.Text && message.Data.Length < 128 && message.Data.Span.StartsWith("!"u8) ? message.Text : "";
        return command.StartsWith(CloseCommand, StringComparison.Ordinal) ? CloseAsync(connection, command[CloseCommand.Length..].Split(' ', 2))
            : command.StartsWith(LateCommand, StringComparison.Ordinal) ? AnswerLateAsync(connection, message)
            : connection.SendAsync(message.Data, message.Type);
    }

    private static async ValueTask AnswerLateAsync(Connection connection, Message message)
    {
        await Task.Delay(100);
        await connection.SendAsync(message.Data, message.Type);
    }

    private static async ValueTask CloseAsync(Connection connection, string[] codeAndReason) =>
        await connection.CloseAsync(ushort.Parse(codeAndReason[0], CultureInfo.InvariantCulture), codeAndReason.ElementAtOrDefault(1) ?? "");

    /// <summary>The limits of a profile, for a server.</summary>
    public static void Limit(DuologueEndpointOptions options, Profile profile)
    {
        // A busy machine must not reach it.
        options.CloseTimeout = TimeSpan.FromSeconds(30);
        switch (profile)
        {
            case Profile.Roomy:
                options.MaxMessageSize = 32 * 1024 * 1024;
                options.SendQueueLimit = 64 * 1024 * 1024;
                options.MaxFragments = 0;
                options.MaxControlFramesPerSecond = 0;
                break;
            case Profile.RoomyDedicated:
                options.MaxMessageSize = 32 * 1024 * 1024;
                options.SendQueueLimit = 64 * 1024 * 1024;
                options.Compression = CompressionOf(profile);
                break;
            case Profile.Shared or Profile.Dedicated15 or Profile.Dedicated12 or Profile.Dedicated9:
                options.Compression = CompressionOf(profile);
                break;
            case Profile.Hasty:
                options.CloseTimeout = TimeSpan.FromMilliseconds(500);
                break;
            default:
                break;
        }
    }

    /// <summary>The limits of a profile, for a client.</summary>
    public static ConnectOptions Limit(ConnectOptions options, Profile profile)
    {
        options = options with { CloseTimeout = TimeSpan.FromSeconds(30) };
        return profile switch
        {
            Profile.Roomy => options with { MaxMessageSize = 32 * 1024 * 1024, SendQueueLimit = 64 * 1024 * 1024, MaxFragments = 0, MaxControlFramesPerSecond = 0 },
            Profile.RoomyDedicated => options with { MaxMessageSize = 32 * 1024 * 1024, SendQueueLimit = 64 * 1024 * 1024, Compression = CompressionOf(profile) },
            Profile.Shared or Profile.Dedicated15 or Profile.Dedicated12 or Profile.Dedicated9 => options with { Compression = CompressionOf(profile) },
            Profile.Hasty => options with { CloseTimeout = TimeSpan.FromMilliseconds(500) },
            _ => options,
        };
    }

    // Small messages too, so that there is more to judge.
    private static Compression CompressionOf(Profile profile) => profile switch
    {
        Profile.Shared => Compression.Shared with { Threshold = 0 },
        Profile.Dedicated9 => Compression.Dedicated(9) with { Threshold = 0 },
        Profile.Dedicated12 => Compression.Dedicated(12) with { Threshold = 0 },
        _ => Compression.Dedicated(15) with { Threshold = 0 },
    };

    internal sealed class Handler : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message) => AnswerAsync(connection, message);
    }
}
