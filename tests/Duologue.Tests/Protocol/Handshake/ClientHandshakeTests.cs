using CsCheck;
using Duologue.Protocol.Handshake;

namespace Duologue.Tests.Protocol.Handshake;

public class ClientHandshakeTests
{
    private const string Key = "dGhlIHNhbXBsZSBub25jZQ==";
    private const string Accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    private static ClientHandshake Handshake(params string[] subprotocols) => new(subprotocols, [new Extension("permessage-x", [new("bits", "9"), new("flag", null)])], Key);

    private static ClientHandshakeResponse Response(
        int status = 101,
        string? phrase = null,
        string[]? upgrade = null,
        string[]? connection = null,
        string[]? accept = null,
        string[]? subprotocol = null,
        string[]? extensions = null) => new()
        {
            StatusCode = status,
            ReasonPhrase = phrase,
            Upgrade = upgrade ?? ["websocket"],
            Connection = connection ?? ["Upgrade"],
            Accept = accept ?? [Accept],
            Subprotocol = subprotocol ?? [],
            Extensions = extensions ?? [],
        };

    private static void AssertFails(ClientHandshakeFailure failure, string reason, ClientHandshakeVerdict verdict)
    {
        Assert.Equal(failure, verdict.Failure);
        Assert.False(verdict.IsAccepted);
        Assert.Contains(reason, verdict.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_request_says_what_the_specification_wants() => Assert.Equal(
        [
            "Connection: Upgrade",
            "Upgrade: websocket",
            $"Sec-WebSocket-Key: {Key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: a, b",
            "Sec-WebSocket-Extensions: permessage-x; bits=9; flag",
        ],
        Handshake("a", "b").RequestHeaders.Select(header => $"{header.Key}: {header.Value}"));

    [Fact]
    public void Over_HTTP2_the_request_has_no_upgrade_and_no_key() => Assert.Equal(
        ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: a"],
        new ClientHandshake(["a"], []) { IsHttp2 = true }.RequestHeaders.Select(header => $"{header.Key}: {header.Value}"));

    [Theory]
    [InlineData(101, false)]
    [InlineData(200, true)]
    [InlineData(204, false)]
    public void Over_HTTP2_the_status_200_is_enough(int status, bool accepted) =>
        Assert.Equal(accepted, new ClientHandshake([], []) { IsHttp2 = true }.Judge(Response(status, null, [], [], [])).IsAccepted);

    [Fact]
    public void Over_HTTP2_too_nothing_may_be_chosen_that_was_not_offered() => AssertFails(
        ClientHandshakeFailure.Subprotocol,
        "none was offered",
        new ClientHandshake([], []) { IsHttp2 = true }.Judge(Response(200, null, [], [], [], ["a"])));

    [Fact]
    public void Empty_lists_are_not_sent() => Assert.Equal(4, new ClientHandshake([], [], Key).RequestHeaders.Count());

    [Fact]
    public void Each_handshake_has_its_own_valid_key()
    {
        string[] keys = [.. Enumerable.Range(0, 10).Select(_ => new ClientHandshake([], []).RequestHeaders.Single(header => header.Key == "Sec-WebSocket-Key").Value)];
        Assert.All(keys, key => Assert.True(HandshakeKey.IsValid(key)));
        Assert.Equal(10, keys.Distinct().Count());
    }

    [Fact]
    public void A_subprotocol_that_is_no_token_cannot_be_offered() =>
        Assert.Contains("not a token", Assert.Throws<ArgumentException>(() => Handshake("a b")).Message, StringComparison.Ordinal);

    [Fact]
    public void A_proper_answer_is_accepted()
    {
        ClientHandshakeVerdict verdict = Handshake("a", "b").Judge(Response(
            upgrade: ["WebSocket"], connection: ["keep-alive, upgrade"], subprotocol: [" b "], extensions: ["permessage-x; bits=\"8\""]));
        Assert.True(verdict.IsAccepted, verdict.Reason);
        Assert.Equal("b", verdict.Subprotocol);
        Assert.Equal("permessage-x; bits=8", Assert.Single(verdict.Extensions).ToString());
    }

    [Fact]
    public void No_subprotocol_is_an_answer_too()
    {
        ClientHandshakeVerdict verdict = Handshake("a").Judge(Response());
        Assert.True(verdict.IsAccepted);
        Assert.Null(verdict.Subprotocol);
    }

    [Theory]
    [InlineData(200, "speaks no WebSocket")]
    [InlineData(302, "Location")]
    [InlineData(401, "Credentials")]
    [InlineData(403, "Origin")]
    [InlineData(404, "nothing at this path")]
    [InlineData(407, "Proxy")]
    [InlineData(426, "version")]
    [InlineData(503, "later")]
    [InlineData(500, "expected 101")]
    public void Another_status_than_101_fails_and_says_what_to_do(int status, string hint)
    {
        ClientHandshakeVerdict verdict = Handshake().Judge(Response(status: status, phrase: "Some Words"));
        AssertFails(ClientHandshakeFailure.Status, $"The server answered {status} \"Some Words\"; expected 101.", verdict);
        Assert.Contains(hint, verdict.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_wrong_or_doubled_upgrade_fails()
    {
        AssertFails(ClientHandshakeFailure.Upgrade, "has no Upgrade header", Handshake().Judge(Response(upgrade: [])));
        AssertFails(ClientHandshakeFailure.Upgrade, "\"h2c\"", Handshake().Judge(Response(upgrade: ["h2c"])));
        AssertFails(ClientHandshakeFailure.Upgrade, "\"websocket, h2c\"", Handshake().Judge(Response(upgrade: ["websocket", "h2c"])));
    }

    [Fact]
    public void A_missing_or_wrong_connection_fails()
    {
        AssertFails(ClientHandshakeFailure.Connection, "has no Connection header", Handshake().Judge(Response(connection: [])));
        AssertFails(ClientHandshakeFailure.Connection, "\"close\"", Handshake().Judge(Response(connection: ["close"])));
    }

    [Fact]
    public void A_missing_wrong_or_doubled_accept_fails()
    {
        AssertFails(ClientHandshakeFailure.Accept, "has no Sec-WebSocket-Accept header", Handshake().Judge(Response(accept: [])));
        AssertFails(ClientHandshakeFailure.Accept, Accept, Handshake().Judge(Response(accept: [Accept.ToUpperInvariant()])));
        AssertFails(ClientHandshakeFailure.Accept, Accept, Handshake().Judge(Response(accept: [Accept, Accept])));
    }

    [Fact]
    public void A_subprotocol_that_was_not_offered_fails()
    {
        AssertFails(ClientHandshakeFailure.Subprotocol, "none was offered", Handshake().Judge(Response(subprotocol: ["a"])));
        AssertFails(ClientHandshakeFailure.Subprotocol, "\"A\"; offered were a, b", Handshake("a", "b").Judge(Response(subprotocol: ["A"])));
        AssertFails(ClientHandshakeFailure.Subprotocol, "\"a, b\"", Handshake("a", "b").Judge(Response(subprotocol: ["a, b"])));
        AssertFails(ClientHandshakeFailure.Subprotocol, "2 times", Handshake("a", "b").Judge(Response(subprotocol: ["a", "b"])));
        AssertFails(ClientHandshakeFailure.Subprotocol, "\"\"", Handshake("a").Judge(Response(subprotocol: [""])));
    }

    [Fact]
    public void An_extension_that_was_not_offered_or_is_malformed_fails()
    {
        AssertFails(ClientHandshakeFailure.Extension, "\"permessage-deflate\", which was not offered", Handshake().Judge(Response(extensions: ["permessage-deflate"])));
        AssertFails(ClientHandshakeFailure.Extension, "\"Permessage-X\", which was not offered", Handshake().Judge(Response(extensions: ["permessage-x, Permessage-X"])));
        AssertFails(ClientHandshakeFailure.Extension, "Sec-WebSocket-Extensions ends where", Handshake().Judge(Response(extensions: ["permessage-x;"])));
    }

    [Fact]
    public void Client_and_server_agree_whatever_their_subprotocols()
    {
        Gen<string[]> names = Gen.Char["abcdABCD"].Array[0, 6].Select(chars => chars.Distinct().Select(c => $"v.{c}").ToArray());
        Gen.Select(names, names).Sample((client, server) =>
        {
            var handshake = new ClientHandshake(client, [new Extension("x", [])]);
            ILookup<string, string> headers = handshake.RequestHeaders.ToLookup(header => header.Key, header => header.Value);
            ServerHandshakeVerdict answer = ServerHandshake.Judge<string[]>(
                new()
                {
                    Method = "GET",
                    HttpVersion = "HTTP/1.1",
                    Connection = [.. headers["Connection"]],
                    Upgrade = [.. headers["Upgrade"]],
                    Key = [.. headers["Sec-WebSocket-Key"]],
                    Version = [.. headers["Sec-WebSocket-Version"]],
                    Subprotocols = [.. headers["Sec-WebSocket-Protocol"]],
                    Extensions = [.. headers["Sec-WebSocket-Extensions"]],
                },
                server);
            ClientHandshakeVerdict verdict = handshake.Judge(Response(accept: [answer.Accept!], subprotocol: answer.Subprotocol is { } s ? [s] : []));
            return answer.IsAccepted && verdict.IsAccepted && verdict.Subprotocol == server.FirstOrDefault(client.Contains);
        });
    }
}
