using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Duologue.AspNetCore.Tests.Support;

/// <summary>What a client of one's own sends on a socket of many topics, to an application with topics at <c>/topics</c>.</summary>
internal static class TopicSockets
{
    public static Task<ClientWebSocket> OpenTopicsAsync(this TestHost host) => host.ConnectAsync("/topics", options => options.AddSubProtocol(TopicsProtocol.Name));

    public static Task SubscribeAsync(this WebSocket socket, string topic, int reference) =>
        socket.SendTextAsync(new JsonObject { ["type"] = "subscribe", ["topic"] = topic, ["ref"] = reference }.ToJsonString());

    public static Task PublishAsync(this WebSocket socket, string topic, int reference, string? key = null, string? behind = null)
    {
        var request = new JsonObject { ["type"] = "publish", ["topic"] = topic, ["data"] = "x", ["ref"] = reference };
        if (key is not null)
        {
            request["key"] = key;
        }

        if (behind is not null)
        {
            request["behind"] = behind;
        }

        return socket.SendTextAsync(request.ToJsonString());
    }

    /// <summary>The next answers, each as its type and the number of its request.</summary>
    public static async Task<string[]> ReceiveAnswersAsync(this WebSocket socket, int count)
    {
        string[] answers = new string[count];
        for (int i = 0; i < count; i++)
        {
            using JsonDocument answer = JsonDocument.Parse(await socket.ReceiveTextAsync());
            answers[i] = $"{answer.RootElement.GetProperty("type").GetString()} {answer.RootElement.GetProperty("ref").GetRawText()}";
        }

        return answers;
    }
}
