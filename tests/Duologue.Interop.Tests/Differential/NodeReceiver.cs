using System.Text.Json;
using System.Text.Json.Nodes;
using Duologue.Interop.Tests.Peers;

namespace Duologue.Interop.Tests.Differential;

/// <summary>npm's <c>ws</c>, case after case in one Node.js process; node/differential.js is its other half.</summary>
internal sealed class NodeReceiver : IAsyncDisposable
{
    private readonly NodeProcess _process = NodeProcess.Start("ws", "differential.js");

    public async Task<Outcome> PlayAsync(StreamCase given, CancellationToken cancellationToken)
    {
        var line = new JsonObject
        {
            ["server"] = given.ToServer,
            ["takeover"] = given.Compression?.ToString(),
            ["chunks"] = new JsonArray([.. given.Chunks.Select(chunk => (JsonNode)Convert.ToBase64String(chunk))]),
        };
        await _process.DoAsync(line).WaitAsync(cancellationToken);
        using JsonDocument document = await _process.ReadAsync(cancellationToken) ?? throw new InvalidOperationException("The Node.js peer has ended.");
        JsonElement answer = document.RootElement;
        List<string> messages =
        [
            .. answer.GetProperty("messages").EnumerateArray()
                .Select(message => Outcome.Describe(message.GetProperty("binary").GetBoolean(), message.GetProperty("data").GetBytesFromBase64())),
        ];
        return Outcome.Of(messages, answer.GetProperty("written").GetBytesFromBase64(), given.ToServer, answer.GetProperty("ended").GetBoolean());
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();
}
