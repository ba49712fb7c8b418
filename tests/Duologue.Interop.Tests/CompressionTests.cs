using System.Globalization;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Duologue.Interop.Tests.Peers;

namespace Duologue.Interop.Tests;

/// <summary>permessage-deflate (RFC 7692) between Duologue and other implementations: every pair of parameters that both can agree on, in both roles.</summary>
public sealed class CompressionTests : IDisposable
{
    private const string ServerNoContextTakeover = "server_no_context_takeover";
    private const string ClientNoContextTakeover = "client_no_context_takeover";

    private static readonly int[] Sizes = [0, 1, 16, 64, 125, 300, 1024, 4096, 8192, 70_000, 131_072];

    private readonly CancellationTokenSource _patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

    public CompressionTests() => _patience.CancelAfter(TimeSpan.FromSeconds(60));

    /// <summary>Our mode; whether the other side's own messages, and ours, have no context by its wish; its window bits for its own and for ours, 0 for any.</summary>
    public static TheoryData<string, bool, bool, int, int> Combinations
    {
        get
        {
            var data = new TheoryData<string, bool, bool, int, int>();
            foreach (string mode in (string[])["shared", "dedicated", "dedicated:9", "dedicated:12"])
            {
                foreach ((bool theirs, bool ours) in ((bool, bool)[])[(false, false), (true, false), (false, true), (true, true)])
                {
                    data.Add(mode, theirs, ours, 0, 0);
                    data.Add(mode, theirs, ours, 10, 11);
                }
            }

            return data;
        }
    }

    private CancellationToken Cancellation => _patience.Token;

    public void Dispose() => _patience.Dispose();

    [Theory]
    [MemberData(nameof(Combinations))]
    public async Task Our_server_and_a_Node_client_agree(string mode, bool theirsForget, bool oursForget, int theirBits, int ourBits)
    {
        Host<Connection> host = Hosts.Duologue(InteropTests.Spoken, Mode(mode));
        Uri uri = await host.StartAsync(Cancellation);
        JsonObject deflate = NodeOptions("clientNoContextTakeover", theirsForget, "serverNoContextTakeover", oursForget);
        if (theirBits != 0)
        {
            deflate["clientMaxWindowBits"] = theirBits;
            deflate["serverMaxWindowBits"] = ourBits;
        }

        NodePeer theirs = await NodePeer.ConnectAsync(uri, [], deflate.ToJsonString(), Cancellation);
        await using Pair pair = new(await host.Accepted.WaitAsync(Cancellation), theirs, host);
        CheckAgreement(pair.Ours, oursForget || mode == "shared", theirsForget || mode == "shared");
        await TalkAsync(pair);
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public async Task Our_client_and_a_Node_server_agree(string mode, bool theirsForget, bool oursForget, int theirBits, int ourBits)
    {
        JsonObject deflate = NodeOptions("serverNoContextTakeover", theirsForget, "clientNoContextTakeover", oursForget);
        if (theirBits != 0)
        {
            deflate["serverMaxWindowBits"] = Math.Min(theirBits, Mode(mode).WindowBitsOf());
            deflate["clientMaxWindowBits"] = Math.Min(ourBits, Mode(mode).WindowBitsOf());
        }

        (NodePeer theirs, int port) = await NodePeer.ListenAsync(InteropTests.Spoken, deflate.ToJsonString(), Cancellation);
        Connection ours = await Connection.ConnectAsync(new Uri($"ws://127.0.0.1:{port}/"), new ConnectOptions { Compression = Mode(mode) }, Cancellation);
        await theirs.OpenAsync(Cancellation);
        await using Pair pair = new(ours, theirs, OurClientWithNodeTests.NoHost.Instance);
        CheckAgreement(pair.Ours, theirsForget || mode == "shared", oursForget || mode == "shared");
        await TalkAsync(pair);
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public async Task Our_server_and_a_client_of_System_Net_WebSockets_agree(string mode, bool theirsForget, bool oursForget, int theirBits, int ourBits)
    {
        Host<Connection> host = Hosts.Duologue(InteropTests.Spoken, Mode(mode));
        Uri uri = await host.StartAsync(Cancellation);
        ClientWebSocket socket = new();
        socket.Options.DangerousDeflateOptions = new WebSocketDeflateOptions
        {
            ClientContextTakeover = !theirsForget,
            ServerContextTakeover = !oursForget,
            ClientMaxWindowBits = theirBits == 0 ? 15 : theirBits,
            ServerMaxWindowBits = ourBits == 0 ? 15 : ourBits,
        };
        await socket.ConnectAsync(uri, Cancellation);
        await using Pair pair = new(await host.Accepted.WaitAsync(Cancellation), new SystemPeer(socket), host);
        CheckAgreement(pair.Ours, oursForget || mode == "shared", theirsForget || mode == "shared");
        await TalkAsync(pair);
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public async Task Our_client_and_a_server_of_System_Net_WebSockets_agree(string mode, bool theirsForget, bool oursForget, int theirBits, int ourBits)
    {
        // It has no say about the client's context and window.
        _ = (oursForget, ourBits);
        Host<SystemPeer> host = Hosts.System(InteropTests.Spoken, accepting =>
        {
            accepting.DangerousEnableCompression = true;
            accepting.DisableServerContextTakeover = theirsForget;
            accepting.ServerMaxWindowBits = theirBits == 0 ? 15 : theirBits;
        });
        Uri uri = await host.StartAsync(Cancellation);
        Connection ours = await Connection.ConnectAsync(uri, new ConnectOptions { Compression = Mode(mode) }, Cancellation);
        await using Pair pair = new(ours, await host.Accepted.WaitAsync(Cancellation), host);
        CheckAgreement(pair.Ours, theirsForget || mode == "shared", mode == "shared");
        await TalkAsync(pair);
    }

    // Not set is not false: false makes ws refuse whoever forgets by itself.
    private static JsonObject NodeOptions(string first, bool firstForgets, string second, bool secondForgets)
    {
        JsonObject options = new() { ["threshold"] = 0 };
        if (firstForgets)
        {
            options[first] = true;
        }

        if (secondForgets)
        {
            options[second] = true;
        }

        return options;
    }

    private static void CheckAgreement(Connection ours, bool serverForgets, bool clientForgets)
    {
        Assert.StartsWith("permessage-deflate", ours.Extensions, StringComparison.Ordinal);
        Assert.True(serverForgets == ours.Extensions.Contains(ServerNoContextTakeover, StringComparison.Ordinal), ours.Extensions);
        Assert.True(clientForgets == ours.Extensions.Contains(ClientNoContextTakeover, StringComparison.Ordinal), ours.Extensions);
    }

    private async Task TalkAsync(Pair pair)
    {
        // Twice, so that messages meet their like in the context; in fragments, whole, and not compressed between.
        for (int round = 0; round < 2; round++)
        {
            foreach (int size in Sizes)
            {
                byte[] text = Encoding.UTF8.GetBytes(Sample(size));
                byte[] noise = new byte[size];
                new Random(size).NextBytes(noise);
                pair.Ours.Send(text, MessageType.Text);
                await pair.Ours.SendAsync(noise, MessageType.Binary, Cancellation);
                await pair.Ours.SendAsync(text, MessageType.Text, MessageFlags.DisableCompression, Cancellation);
                await using (Stream stream = pair.Ours.OpenWrite(MessageType.Text))
                {
                    await stream.WriteAsync(text.AsMemory(0, size / 2), Cancellation);
                    await stream.FlushAsync(Cancellation);
                    await stream.WriteAsync(text.AsMemory(size / 2), Cancellation);
                }

                Assert.Equal(text, (await pair.Theirs.ReceiveAsync(Cancellation)).Data);
                Assert.Equal(noise, (await pair.Theirs.ReceiveAsync(Cancellation)).Data);
                Assert.Equal(text, (await pair.Theirs.ReceiveAsync(Cancellation)).Data);
                Assert.Equal(text, (await pair.Theirs.ReceiveAsync(Cancellation)).Data);

                await pair.Theirs.SendAsync(MessageType.Text, text);
                await pair.Theirs.SendAsync(MessageType.Binary, noise);
                await pair.Theirs.SendAsync(MessageType.Text, text.AsMemory(0, size / 3), ReadOnlyMemory<byte>.Empty, text.AsMemory(size / 3));
                Assert.Equal(text, (await pair.Ours.ReceiveAsync(Cancellation)).ToArray());
                Assert.Equal(noise, (await pair.Ours.ReceiveAsync(Cancellation)).ToArray());
                Assert.Equal(text, (await pair.Ours.ReceiveAsync(Cancellation)).ToArray());
            }
        }

        CloseInfo info = await pair.Ours.CloseAsync();
        Assert.True(info.WasClean);
    }

    private static string Sample(int length)
    {
        var text = new StringBuilder();
        for (int i = 0; text.Length < length; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{{\"id\":{i * 7919 % 1000},\"name\":\"user {i % 30}\"}},");
        }

        return text.ToString(0, length);
    }

    private static Compression Mode(string text) => text switch
    {
        "shared" => Compression.Shared with { Threshold = 0 },
        "dedicated" => Compression.Dedicated(15) with { Threshold = 0 },
        _ => Compression.Dedicated(int.Parse(text.AsSpan("dedicated:".Length), CultureInfo.InvariantCulture)) with { Threshold = 0 },
    };
}

internal static class ModeExtensions
{
    /// <summary>The window bits that a mode asks for, as its text tells them.</summary>
    public static int WindowBitsOf(this Compression mode) =>
        mode.ToString().Split(':') is [_, var bits] ? int.Parse(bits, CultureInfo.InvariantCulture) : 15;
}
