using System.Text.Json;

namespace Duologue.Cli.Tests.Support;

/// <summary>A client in the test's own process, with waits that give up.</summary>
internal sealed class TestClient(Connection connection) : IAsyncDisposable
{
    public Connection Connection { get; } = connection;

    public static async Task<TestClient> ConnectAsync(Uri uri, params string[] subprotocols) =>
        new(await Connection.ConnectAsync(uri, new ConnectOptions { Subprotocols = subprotocols, MaxMessageSize = 64 * 1024 * 1024 }, TestContext.Current.CancellationToken));

    /// <summary>Joins the talk by lines. A client is connected a moment before the server lets it in: an answer says that it is.</summary>
    public static async Task<TestClient> JoinTalkAsync(ServeTool server, string path)
    {
        TestClient client = await ConnectAsync(server.At(path));
        await client.SendAsync("/who");
        await client.ReceiveTextAsync(line => line.StartsWith("* here:", StringComparison.Ordinal));
        return client;
    }

    public async Task<(MessageType Type, byte[] Data, string Text)> ReceiveAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Tool.Patience);
        Message message = await Connection.ReceiveAsync(limit.Token);
        return (message.Type, message.ToArray(), message.Type == MessageType.Text ? message.Text : "");
    }

    public async Task<string> ReceiveTextAsync(Func<string, bool> isIt)
    {
        while (true)
        {
            (MessageType type, _, string text) = await ReceiveAsync();
            if (type == MessageType.Text && isIt(text))
            {
                return text;
            }
        }
    }

    /// <summary>The next event of a kind; those between are skipped.</summary>
    public async Task<JsonElement> ReceiveEventAsync(string kind)
    {
        while (true)
        {
            (MessageType type, _, string text) = await ReceiveAsync();
            if (type == MessageType.Text && JsonDocument.Parse(text).RootElement is var root && root.GetProperty("type").GetString() == kind)
            {
                return root;
            }
        }
    }

    public async Task<CloseInfo> ClosedAsync()
    {
        try
        {
            while (true)
            {
                await ReceiveAsync();
            }
        }
        catch (ConnectionClosedException e)
        {
            return e.CloseInfo;
        }
    }

    public Task SendAsync(string text) => Connection.SendAsync(text, TestContext.Current.CancellationToken).AsTask();

    public Task SendAsync(byte[] bytes) => Connection.SendAsync(bytes, MessageType.Binary, TestContext.Current.CancellationToken).AsTask();

    public ValueTask DisposeAsync() => Connection.DisposeAsync();
}
