using System.Text.Json.Serialization;

namespace Duologue.Cli.Compare;

/// <summary>A way to get news from a server.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Way>))]
internal enum Way
{
    [JsonStringEnumMemberName("polling")]
    Polling,

    [JsonStringEnumMemberName("longPolling")]
    LongPolling,

    [JsonStringEnumMemberName("serverSentEvents")]
    ServerSentEvents,

    [JsonStringEnumMemberName("webSocket")]
    WebSocket,
}

internal static class Ways
{
    public static IReadOnlyList<Way> All { get; } = Enum.GetValues<Way>();

    /// <summary>As people call it.</summary>
    public static string Title(this Way way) => way switch
    {
        Way.Polling => "AJAX polling",
        Way.LongPolling => "long polling",
        Way.ServerSentEvents => "server-sent events",
        _ => "WebSocket",
    };
}
