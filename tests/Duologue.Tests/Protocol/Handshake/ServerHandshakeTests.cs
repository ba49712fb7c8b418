using CsCheck;
using Duologue.Protocol.Handshake;

namespace Duologue.Tests.Protocol.Handshake;

public class ServerHandshakeTests
{
    private const string Key = "dGhlIHNhbXBsZSBub25jZQ==";

    private static ServerHandshakeRequest<string[]> Upgrade => new()
    {
        Method = "GET",
        HttpVersion = "HTTP/1.1",
        Connection = ["keep-alive, Upgrade"],
        Upgrade = ["websocket"],
        Key = [Key],
        Version = ["13"],
        Subprotocols = [],
        Extensions = [],
    };

    private static ServerHandshakeRequest<string[]> Connect => new()
    {
        Method = "CONNECT",
        HttpVersion = "HTTP/2",
        ConnectProtocol = "websocket",
        Version = ["13"],
    };

    private static ServerHandshakeVerdict Judge(ServerHandshakeRequest<string[]> request, params string[] subprotocols) => ServerHandshake.Judge(request, subprotocols);

    private static void AssertRefused(ServerHandshakeVerdict verdict, ServerHandshakeFailure failure, int status, string reason, params string[] headers)
    {
        Assert.False(verdict.IsAccepted);
        Assert.Equal(failure, verdict.Failure);
        Assert.Equal(status, verdict.StatusCode);
        Assert.Contains(reason, verdict.Reason, StringComparison.Ordinal);
        Assert.Equal(headers, verdict.Headers.Select(header => $"{header.Key}: {header.Value}"));
        Assert.Null(verdict.Accept);
    }

    [Fact]
    public void A_proper_request_is_accepted_with_the_answer_to_its_key()
    {
        ServerHandshakeVerdict verdict = Judge(Upgrade);
        Assert.True(verdict.IsAccepted, verdict.Reason);
        Assert.Equal(101, verdict.StatusCode);
        Assert.Equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", verdict.Accept);
        Assert.Null(verdict.Subprotocol);
        Assert.Empty(verdict.Headers);
    }

    [Fact]
    public void Upgrade_and_Connection_compare_without_case_and_within_lists()
    {
        ServerHandshakeVerdict verdict = Judge(new()
        {
            Method = "GET", HttpVersion = "HTTP/1.1", Connection = ["keep-alive", "uPGRADE"], Upgrade = ["h2c, WebSocket"], Key = [$" {Key}\t"], Version = [" 13 "],
        });
        Assert.True(verdict.IsAccepted, verdict.Reason);
    }

    [Fact]
    public void The_server_s_preferred_subprotocol_is_chosen()
    {
        ServerHandshakeRequest<string[]> request = With(subprotocols: ["a", "b, c"]);
        Assert.Equal("c", Judge(request, "d", "c", "a").Subprotocol);
        Assert.Null(Judge(request, "d").Subprotocol);
        Assert.True(Judge(request, "d").IsAccepted);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("HEAD")]
    [InlineData("get")]
    [InlineData("CONNECT")]
    public void Another_method_than_GET_is_405_with_Allow(string method) =>
        AssertRefused(Judge(With(method: method)), ServerHandshakeFailure.Method, 405, $"\"{method}\"", "Allow: GET");

    [Fact]
    public void A_plain_GET_is_told_to_upgrade() =>
        AssertRefused(Judge(With(upgrade: [])), ServerHandshakeFailure.NoUpgrade, 426, "expected \"Upgrade: websocket\"", "Upgrade: websocket", "Connection: Upgrade, close");

    [Fact]
    public void Another_upgrade_is_told_to_upgrade_to_websocket() =>
        AssertRefused(Judge(With(upgrade: ["h2c", "websocket/13"])), ServerHandshakeFailure.NoUpgrade, 426, "Upgrade is \"h2c, websocket/13\"", "Upgrade: websocket", "Connection: Upgrade, close");

    [Fact]
    public void A_missing_or_other_Connection_is_400()
    {
        AssertRefused(Judge(With(connection: [])), ServerHandshakeFailure.Connection, 400, "Connection header is missing");
        AssertRefused(Judge(With(connection: ["close"])), ServerHandshakeFailure.Connection, 400, "Connection is \"close\"");
    }

    [Theory]
    [InlineData("8")]
    [InlineData("14")]
    [InlineData("013")]
    [InlineData("13, 8")]
    [InlineData("")]
    public void Another_version_is_426_and_names_13(string version) =>
        AssertRefused(
            Judge(With(version: [version])),
            ServerHandshakeFailure.Version,
            426,
            $"Sec-WebSocket-Version is \"{version}\"; expected 13",
            "Upgrade: websocket",
            "Connection: Upgrade, close",
            "Sec-WebSocket-Version: 13");

    [Fact]
    public void A_missing_or_doubled_version_is_426_and_names_13()
    {
        string[] headers = ["Upgrade: websocket", "Connection: Upgrade, close", "Sec-WebSocket-Version: 13"];
        AssertRefused(Judge(With(version: [])), ServerHandshakeFailure.Version, 426, "Sec-WebSocket-Version is missing", headers);
        AssertRefused(Judge(With(version: ["13", "13"])), ServerHandshakeFailure.Version, 426, "\"13, 13\"", headers);
    }

    [Fact]
    public void A_missing_invalid_or_doubled_key_is_400()
    {
        AssertRefused(Judge(With(key: [])), ServerHandshakeFailure.Key, 400, "Sec-WebSocket-Key is missing");
        AssertRefused(Judge(With(key: ["c2hvcnQ="])), ServerHandshakeFailure.Key, 400, "Sec-WebSocket-Key is \"c2hvcnQ=\"; expected 16 bytes");
        AssertRefused(Judge(With(key: [Key, Key])), ServerHandshakeFailure.Key, 400, "comes 2 times");
        AssertRefused(Judge(With(key: [$"{Key}, {Key}"])), ServerHandshakeFailure.Key, 400, "expected 16 bytes");
    }

    [Fact]
    public void Malformed_lists_are_400_and_oversized_ones_431()
    {
        AssertRefused(Judge(With(subprotocols: ["a, a"])), ServerHandshakeFailure.Subprotocol, 400, "Sec-WebSocket-Protocol names \"a\" twice");
        AssertRefused(Judge(With(subprotocols: [new string('a', 8193)])), ServerHandshakeFailure.Subprotocol, 431, "longer than 8192");
        AssertRefused(Judge(With(extensions: ["a;;"])), ServerHandshakeFailure.Extension, 400, "Sec-WebSocket-Extensions has \";\"");
        AssertRefused(Judge(With(extensions: [new string('a', 8193)])), ServerHandshakeFailure.Extension, 431, "longer than 8192");
    }

    [Theory]
    [InlineData("HTTP/1.0")]
    [InlineData("HTTP/0.9")]
    public void HTTP_before_1_1_is_426(string version) =>
        AssertRefused(Judge(With(httpVersion: version)), ServerHandshakeFailure.HttpVersion, 426, $"\"{version}\"", "Upgrade: websocket", "Connection: Upgrade, close");

    [Fact]
    public void An_extended_CONNECT_is_accepted_with_200_and_without_an_accept_value()
    {
        foreach (string version in (string[])["HTTP/2", "HTTP/3"])
        {
            ServerHandshakeVerdict verdict = Judge(new() { Method = "CONNECT", HttpVersion = version, ConnectProtocol = "websocket", Version = ["13"], Subprotocols = ["b, a"] }, "a");
            Assert.True(verdict.IsAccepted, verdict.Reason);
            Assert.Equal(200, verdict.StatusCode);
            Assert.Null(verdict.Accept);
            Assert.Equal("a", verdict.Subprotocol);
        }
    }

    [Fact]
    public void Other_requests_over_HTTP_2_are_refused()
    {
        AssertRefused(Judge(With(httpVersion: "HTTP/2")), ServerHandshakeFailure.Method, 400, "expected an extended CONNECT");
        AssertRefused(Judge(new() { Method = "CONNECT", HttpVersion = "HTTP/2", ConnectProtocol = "masque", Version = ["13"] }), ServerHandshakeFailure.NoUpgrade, 501, ":protocol is \"masque\"");
        AssertRefused(Judge(new() { Method = "CONNECT", HttpVersion = "HTTP/2", ConnectProtocol = "websocket" }), ServerHandshakeFailure.Version, 400, "missing", "Sec-WebSocket-Version: 13");
        Assert.True(Judge(Connect).IsAccepted);
    }

    [Fact]
    public void What_the_peer_wrote_cannot_forge_lines_in_a_reason()
    {
        ServerHandshakeVerdict verdict = Judge(With(version: ["8\r\n[fatal] all is lost\x1b[31m" + new string('x', 500)]));
        Assert.DoesNotContain(verdict.Reason, char.IsControl);
        Assert.True(verdict.Reason.Length < 200);
    }

    [Fact]
    public void Whatever_comes_the_verdict_is_a_status_and_never_an_exception()
    {
        Gen<string[]> lines = Gen.OneOf(Gen.String, Of("websocket", "Upgrade", Key, "13", "a, b", "a; b=\"c\"")).Array[0, 3];
        Gen.Select(lines, lines, lines, lines, lines, lines, Of("HTTP/1.1", "HTTP/2", "HTTP/1.0")).Sample((a, b, c, d, e, f, version) =>
        {
            ServerHandshakeVerdict verdict = Judge(new() { Method = "GET", HttpVersion = version, Connection = a, Upgrade = b, Key = c, Version = d, Subprotocols = e, Extensions = f }, "a");
            return verdict.IsAccepted ? verdict.StatusCode == 101 : verdict.StatusCode is >= 400 and < 502 && verdict.Reason.Length > 0;
        });
    }

    private static Gen<string> Of(params string[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static ServerHandshakeRequest<string[]> With(
        string? method = null,
        string? httpVersion = null,
        string[]? connection = null,
        string[]? upgrade = null,
        string[]? key = null,
        string[]? version = null,
        string[]? subprotocols = null,
        string[]? extensions = null) => new()
        {
            Method = method ?? Upgrade.Method,
            HttpVersion = httpVersion ?? Upgrade.HttpVersion,
            Connection = connection ?? Upgrade.Connection,
            Upgrade = upgrade ?? Upgrade.Upgrade,
            Key = key ?? Upgrade.Key,
            Version = version ?? Upgrade.Version,
            Subprotocols = subprotocols ?? Upgrade.Subprotocols,
            Extensions = extensions ?? Upgrade.Extensions,
        };
}
