using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Duologue.Interop.Tests.Peers;

namespace Duologue.Interop.Tests.Differential;

/// <summary>npm's <c>ws</c>, case after case in one Node.js process; node/differential.js is its other half.</summary>
internal sealed class NodeReceiver : IDisposable
{
    private readonly Process _process;

    public NodeReceiver()
    {
        ProcessStartInfo start = new("node", ["differential.js"])
        {
            WorkingDirectory = NodePeer.Folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        _process = Process.Start(start)!;
    }

    public async Task<Outcome> PlayAsync(StreamCase given, CancellationToken cancellationToken)
    {
        var line = new JsonObject
        {
            ["server"] = given.ToServer,
            ["takeover"] = given.Compression?.ToString(),
            ["chunks"] = new JsonArray([.. given.Chunks.Select(chunk => (JsonNode)Convert.ToBase64String(chunk))]),
        };
        await _process.StandardInput.WriteLineAsync(line.ToJsonString().AsMemory(), cancellationToken);
        await _process.StandardInput.FlushAsync(cancellationToken);
        string? said = await _process.StandardOutput.ReadLineAsync(cancellationToken);
        Assert.True(said is not null, "The Node.js peer has ended.");
        using JsonDocument document = JsonDocument.Parse(said);
        JsonElement answer = document.RootElement;
        List<string> messages =
        [
            .. answer.GetProperty("messages").EnumerateArray()
                .Select(message => Outcome.Describe(message.GetProperty("binary").GetBoolean(), message.GetProperty("data").GetBytesFromBase64())),
        ];
        return Outcome.Of(messages, answer.GetProperty("written").GetBytesFromBase64(), given.ToServer, answer.GetProperty("ended").GetBoolean());
    }

    public void Dispose()
    {
        // The end of its input is its sign to end.
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(10)))
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
