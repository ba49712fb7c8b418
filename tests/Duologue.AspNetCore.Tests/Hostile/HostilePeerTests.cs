using System.Text;
using System.Text.RegularExpressions;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;

namespace Duologue.AspNetCore.Tests.Hostile;

/// <summary>
/// What each kind of bad input gets, byte by byte; meanwhile well-behaved clients exchange numbered messages and miss none.
/// </summary>
public partial class HostilePeerTests
{
    private const int MaxMessageSize = 64 * 1024;

    public static TheoryData<string> Paths => [Victims.ClassPath, Victims.DelegatePath];

    [Fact]
    public Task What_is_no_HTTP_gets_400_and_the_connection_ends() => WithCrowdAsync(async (host, victims) =>
    {
        using HostilePeer peer = await HostilePeer.ConnectAsync(host.Url);
        await peer.SayAsync("\x16\x03\x01 no request of any kind\r\n\r\n"u8.ToArray());
        (byte[] bytes, _) = await peer.HearToEndAsync();
        Assert.Equal("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\nDate: *\r\nServer: Kestrel\r\n\r\n", Undated(bytes));
        Assert.Equal(0, victims.Opened);
    });

    [Theory]
    [InlineData("13", "garbage", "400 Bad Request", "", "Sec-WebSocket-Key is \"garbage\"; expected 16 bytes in base64, which are 24 characters (RFC 6455 §4.2.1).\n")]
    [InlineData("8", "dGhlIHNhbXBsZSBub25jZQ==", "426 Upgrade Required", "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version is \"8\"; expected 13 (RFC 6455 §4.4).\n")]
    public Task A_garbage_handshake_and_a_wrong_version_get_their_status_and_sentence(string version, string key, string status, string headers, string sentence) => WithCrowdAsync(async (host, victims) =>
    {
        using HostilePeer peer = await HostilePeer.ConnectAsync(host.Url);
        await peer.SayAsync(Encoding.ASCII.GetBytes(HostilePeer.Request(Victims.ClassPath, version, key)));
        string head = await peer.HearHeadAsync();

        // Not before: Kestrel takes the end of what a client says for the end of its interest.
        peer.FallSilent();
        (byte[] body, _) = await peer.HearToEndAsync();
        string expected = $"HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain; charset=utf-8\r\nDate: *\r\nServer: Kestrel\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n";

        // RFC 9110 §5.3: the order of headers with different names means nothing.
        Assert.Equal(expected.Split("\r\n").Order(StringComparer.Ordinal), Undated(Encoding.ASCII.GetBytes(head)).Split("\r\n").Order(StringComparer.Ordinal));
        Assert.Equal($"{Encoding.UTF8.GetByteCount(sentence):x}\r\n{sentence}\r\n0\r\n\r\n", Encoding.UTF8.GetString(body));
        Assert.Equal(0, victims.Opened);
    });

    [Theory]
    [MemberData(nameof(Paths))]
    public Task An_oversized_frame_gets_1009_on_the_word_of_its_header(string path) =>
        Violate(path, HostilePeer.Frame(0x82, [], 1UL << 40), 1009, $"The message exceeds {MaxMessageSize} bytes (MaxMessageSize).", CloseCause.MessageTooBig);

    [Fact]
    public async Task An_oversized_frame_whose_header_came_before_its_receiver_gets_1009_too()
    {
        var late = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", async connection =>
            {
                await late.Task;
                await connection.ReceiveAsync();
            }),
            options => options.MaxMessageSize = MaxMessageSize);
        using HostilePeer peer = await HostilePeer.OpenAsync(host.Url, "/");

        // The pong leaves when all that came with the ping was read.
        await peer.SayAsync((byte[])[.. HostilePeer.Frame(0x89, []), .. HostilePeer.Frame(0x82, [], 1UL << 40)]);
        Assert.Equal([0x8A, 0x00], await peer.HearAsync(2));
        late.SetResult();
        byte[] expected = HostilePeer.Close(1009, $"The message exceeds {MaxMessageSize} bytes (MaxMessageSize).");
        Assert.Equal(expected, await peer.HearAsync(expected.Length));
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public Task A_bad_UTF8_sequence_gets_1007_before_its_frame_has_ended(string path) =>
        Violate(path, HostilePeer.Frame(0x81, [0x61, 0xC3, 0x28], 1000), 1007, "The text is not valid UTF-8.", CloseCause.ProtocolViolation);

    [Theory]
    [MemberData(nameof(Paths))]
    public Task A_frame_without_a_mask_gets_1002(string path) =>
        Violate(path, [0x81, 0x01, 0x61], 1002, "A frame from a client must be masked.", CloseCause.ProtocolViolation);

    [Theory]
    [MemberData(nameof(Paths))]
    public Task Garbage_for_frames_gets_1002(string path) =>
        Violate(path, "GET / HTTP/1.1\r\n\r\n"u8.ToArray(), 1002, "A reserved bit is set without an extension that uses it.", CloseCause.ProtocolViolation);

    [Theory]
    [MemberData(nameof(Paths))]
    public Task A_line_that_ends_mid_frame_is_a_lost_connection(string path) => WithCrowdAsync(async (host, victims) =>
    {
        using HostilePeer peer = await HostilePeer.OpenAsync(host.Url, path);
        await peer.SayAsync(HostilePeer.Frame(0x81, "half of a"u8, 20));
        peer.FallSilent();

        // RFC 6455 §7.1.5: nobody sent a Close, so none is answered, and the code is 1006.
        Assert.Empty((await peer.HearToEndAsync()).Bytes);
        AssertEnd(new CloseInfo(1006, "", false, false, CloseCause.ConnectionLost), await victims.NextEndAsync());
    });

    [Theory]
    [MemberData(nameof(Paths))]
    public Task A_line_that_is_reset_mid_frame_is_a_lost_connection(string path) => WithCrowdAsync(async (host, victims) =>
    {
        using HostilePeer peer = await HostilePeer.OpenAsync(host.Url, path);
        await peer.SayAsync(HostilePeer.Frame(0x82, new byte[5_000], 20_000));
        peer.Reset();
        AssertEnd(new CloseInfo(1006, "", false, false, CloseCause.ConnectionLost), await victims.NextEndAsync());
    });

    [Theory]
    [MemberData(nameof(Paths))]
    public Task A_peer_that_never_answers_the_close_is_cut_off(string path) => WithCrowdAsync(TimeSpan.FromMilliseconds(200), async (host, victims) =>
    {
        using HostilePeer peer = await HostilePeer.OpenAsync(host.Url, path);
        await peer.SayAsync(HostilePeer.Frame(0x81, "close"u8));
        Assert.Equal(HostilePeer.Close(1000, "Enough."), (await peer.HearToEndAsync()).Bytes);
        AssertEnd(new CloseInfo(1000, "Enough.", false, false, CloseCause.CloseTimeout), await victims.NextEndAsync());
    });

    [Theory]
    [InlineData(Victims.ClassPath, "The handler failed.")]
    [InlineData(Victims.DelegatePath, "The handler failed.")]
    public Task A_handler_that_throws_closes_with_1011(string path, string sentence) => WithCrowdAsync(async (host, victims) =>
    {
        using HostilePeer peer = await HostilePeer.OpenAsync(host.Url, path);

        // What came before the failure is answered; what comes after it is not.
        await peer.SayAsync((byte[])[.. HostilePeer.Frame(0x81, "one"u8), .. HostilePeer.Frame(0x81, "throw"u8), .. HostilePeer.Frame(0x81, "two"u8)]);
        byte[] expected = [0x81, 0x03, .. "one"u8.ToArray(), .. HostilePeer.Close(1011, sentence)];
        Assert.Equal(expected, await peer.HearAsync(expected.Length));
        await peer.SayAsync(HostilePeer.Frame(0x88, [0x03, 0xF3]));
        Assert.Empty((await peer.HearToEndAsync()).Bytes);
        AssertEnd(new CloseInfo(1011, "", false, true, CloseCause.HandlerFailed), await victims.NextEndAsync());
    });

    private static Task Violate(string path, byte[] said, ushort code, string sentence, CloseCause cause) => WithCrowdAsync(async (host, victims) =>
    {
        using HostilePeer peer = await HostilePeer.OpenAsync(host.Url, path);

        // A good message before it stands: it is answered, and first.
        await peer.SayAsync((byte[])[.. HostilePeer.Frame(0x81, "good"u8), .. said]);
        byte[] expected = [0x81, 0x04, .. "good"u8.ToArray(), .. HostilePeer.Close(code, sentence)];
        Assert.Equal(expected, await peer.HearAsync(expected.Length));
        peer.FallSilent();
        (byte[] rest, bool reset) = await peer.HearToEndAsync();
        Assert.Empty(rest);
        Assert.False(reset);
        CloseInfo info = await victims.NextEndAsync();
        AssertEnd(new CloseInfo(code, sentence, false, false, cause), info);
        Assert.NotNull(info.Violation);
    });

    // Both are compared by what they say, not by what else the record holds.
    private static void AssertEnd(CloseInfo expected, CloseInfo actual) =>
        Assert.Equal((expected.Code, expected.Reason, expected.ByPeer, expected.WasClean, expected.Cause), (actual.Code, actual.Reason, actual.ByPeer, actual.WasClean, actual.Cause));

    private static Task WithCrowdAsync(Func<TestHost, Victims, Task> attack) => WithCrowdAsync(TestHost.Patience, attack);

    private static async Task WithCrowdAsync(TimeSpan closeTimeout, Func<TestHost, Victims, Task> attack)
    {
        var victims = new Victims();
        await using TestHost host = await TestHost.StartAsync(
            app =>
            {
                victims.Map(app);
                Crowd.Map(app);
            },
            options =>
            {
                options.MaxMessageSize = MaxMessageSize;
                options.CloseTimeout = closeTimeout;
            },
            builder => victims.Register(builder.Services));
        await using Crowd crowd = await Crowd.StartAsync(host, 3);
        await crowd.TalkOnAsync();
        await attack(host, victims);

        // Nobody is registered but the crowd, and the crowd has missed nothing.
        await Eventually.True(() => host.Connections.Count == 3);
        await crowd.FinishAsync();
        await Eventually.True(() => host.Connections.Count == 0);
    }

    private static string Undated(byte[] answer) => Date().Replace(Encoding.UTF8.GetString(answer), "Date: *\r\n");

    [GeneratedRegex("Date: [^\r]*\r\n")]
    private static partial Regex Date();
}
