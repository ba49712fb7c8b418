using System.Globalization;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.Soak;

/// <summary>
/// <c>/sessions</c> of a node: an application of its own over plain conversations, which may be Engine.IO sessions. It greets with <c>hello ID</c>; who answers <c>read ID TOPIC CURSOR</c> is sent
/// <c>item TOPIC CURSOR TEXT</c>, and <c>reset TOPIC CURSOR LOST</c> where messages are gone.
/// </summary>
internal static class SessionTopics
{
    public const string Path = "/sessions";

    /// <summary>In place of a cursor: from the oldest message that there is.</summary>
    public const string Oldest = "oldest";

    private const ushort TryAgainLater = 1013;

    public static void Map(WebApplication application)
    {
        Topics topics = application.Services.GetRequiredService<Topics>();
        application.MapDuologue(Path, connection => TalkAsync(connection, topics));
    }

    private static async Task TalkAsync(Connection connection, Topics topics)
    {
        List<Task> reading = [];
        using var over = CancellationTokenSource.CreateLinkedTokenSource(connection.Aborted);
        try
        {
            await connection.SendAsync($"hello {connection.Id}");
            await foreach (Message message in connection.ReadAllAsync())
            {
                // What was said to the conversation before may come by this one: that one's client has been greeted anew.
                if (message.Text.Split(' ') is ["read", string id, string topic, string cursor] && id == connection.Id)
                {
                    reading.Add(SendAllAsync(connection, topics, topic, TopicPosition.TryParse(cursor, out TopicPosition after) ? TopicStart.After(after) : TopicStart.Oldest, over.Token));
                }
            }
        }
        finally
        {
            await over.CancelAsync();
            await Task.WhenAll(reading);
        }
    }

    private static async Task SendAllAsync(Connection connection, Topics topics, string topic, TopicStart start, CancellationToken cancellationToken)
    {
        try
        {
            using TopicSubscription reader = await topics.SubscribeAsync(topic, start, cancellationToken);
            while (true)
            {
                TopicPage page = await reader.ReadAsync(cancellationToken);
                if (page.IsReset)
                {
                    await connection.SendAsync(string.Create(CultureInfo.InvariantCulture, $"reset {topic} {page.Next} {page.Lost?.ToString(CultureInfo.InvariantCulture) ?? "unknown"}"), cancellationToken);
                }

                foreach (TopicMessage message in page.Messages)
                {
                    await connection.SendAsync($"item {topic} {message.Position} {message.Text}", cancellationToken);
                }
            }
        }
        catch (BrokerUnavailableException)
        {
            // The client comes back, and is greeted by whichever node can read then.
            await connection.CloseAsync(TryAgainLater, "Redis is away.");
        }
        catch (Exception e) when (e is ConnectionClosedException or OperationCanceledException)
        {
            // The conversation is over.
        }
    }
}
