namespace Duologue.Protocol.Handshake;

/// <summary>Judges an opening handshake (RFC 6455 §4.2, RFC 8441 §5). Pure: it decides, the server answers. It knows nothing of origins.</summary>
internal static class ServerHandshake
{
    // RFC 9110 §15.5.22: a 426 names what to upgrade to; §7.8: and Connection says that Upgrade is meant for this hop. Kestrel ends the
    // connection behind an answer whose Connection lacks keep-alive; RFC 9112 §9.6: who is going to end it says so.
    private static readonly KeyValuePair<string, string>[] UpgradeHeaders =
    [
        new(HandshakeHeaders.Upgrade, HandshakeHeaders.WebSocket),
        new(HandshakeHeaders.Connection, HandshakeHeaders.UpgradeThenClose),
    ];

    // RFC 6455 §4.4: the answer to a wrong version names those that are understood.
    private static readonly KeyValuePair<string, string>[] VersionHeaders =
    [
        .. UpgradeHeaders,
        new(HandshakeHeaders.Version, HandshakeHeaders.Version13),
    ];

    // HTTP/2 knows no Upgrade (RFC 9113 §8.2.2), so there the version stands alone.
    private static readonly KeyValuePair<string, string>[] ConnectVersionHeaders =
    [
        new(HandshakeHeaders.Version, HandshakeHeaders.Version13),
    ];

    private static readonly KeyValuePair<string, string>[] AllowGet = [new("Allow", "GET")];

    /// <summary>Judges a request.</summary>
    /// <param name="request">What the request says.</param>
    /// <param name="subprotocols">What the server speaks, most preferred first; valid tokens. If the client offers none of them, the verdict has none.</param>
    public static ServerHandshakeVerdict Judge<TValues>(in ServerHandshakeRequest<TValues> request, IReadOnlyList<string> subprotocols)
        where TValues : IReadOnlyList<string?>
    {
        return request.HttpVersion switch
        {
            "HTTP/1.1" => JudgeUpgrade(request, subprotocols),
            "HTTP/2" or "HTTP/3" => JudgeConnect(request, subprotocols),
            _ => Refuse(
                ServerHandshakeFailure.HttpVersion,
                426,
                $"The request is {PeerText.Quote(request.HttpVersion)}; a WebSocket needs HTTP/1.1 or later. A proxy on the way may have to be told to use HTTP/1.1 (RFC 6455 §4.2.1).",
                UpgradeHeaders),
        };
    }

    // RFC 6455 §4.2.1, items 1 to 8.
    private static ServerHandshakeVerdict JudgeUpgrade<TValues>(in ServerHandshakeRequest<TValues> request, IReadOnlyList<string> subprotocols)
        where TValues : IReadOnlyList<string?>
    {
        if (request.Method != "GET")
        {
            return Refuse(ServerHandshakeFailure.Method, 405, $"The method is {PeerText.Quote(request.Method)}; a WebSocket opens with GET (RFC 6455 §4.2.1).", AllowGet);
        }

        if (!HeaderList.ContainsIgnoreCase(request.Upgrade, HandshakeHeaders.WebSocket))
        {
            return Refuse(
                ServerHandshakeFailure.NoUpgrade,
                426,
                HeaderList.Count(request.Upgrade) == 0
                    ? "This is a WebSocket endpoint and the request has no Upgrade header; expected \"Upgrade: websocket\". A proxy on the way may have removed it (RFC 6455 §4.2.1)."
                    : $"Upgrade is {PeerText.Quote(request.Upgrade)}; expected \"websocket\" (RFC 6455 §4.2.1).",
                UpgradeHeaders);
        }

        if (!HeaderList.ContainsIgnoreCase(request.Connection, HandshakeHeaders.Upgrade))
        {
            return Refuse(
                ServerHandshakeFailure.Connection,
                400,
                HeaderList.Count(request.Connection) == 0
                    ? "The Connection header is missing; expected it to contain \"Upgrade\" (RFC 6455 §4.2.1)."
                    : $"Connection is {PeerText.Quote(request.Connection)}; expected it to contain \"Upgrade\" (RFC 6455 §4.2.1).");
        }

        // The version before the key: another version may have no key, and its client must learn of 13.
        if (FindVersionError(request.Version) is { } versionError)
        {
            return Refuse(ServerHandshakeFailure.Version, 426, versionError, VersionHeaders);
        }

        if (FindKeyError(request.Key, out ReadOnlySpan<char> key) is { } keyError)
        {
            return Refuse(ServerHandshakeFailure.Key, 400, keyError);
        }

        return FindListError(request, out ServerHandshakeVerdict refusal)
            ? refusal
            : ServerHandshakeVerdict.Accepted(101, HandshakeKey.ComputeAccept(key), Subprotocols.Choose(subprotocols, request.Subprotocols));
    }

    // RFC 8441 §5 (and RFC 9220 for HTTP/3): CONNECT with :protocol takes the place of Upgrade, Connection and the key.
    private static ServerHandshakeVerdict JudgeConnect<TValues>(in ServerHandshakeRequest<TValues> request, IReadOnlyList<string> subprotocols)
        where TValues : IReadOnlyList<string?>
    {
        if (request.Method != "CONNECT" || request.ConnectProtocol is null)
        {
            return Refuse(
                ServerHandshakeFailure.Method,
                400,
                $"This is a WebSocket endpoint and the request is {PeerText.Quote(request.Method)} over {request.HttpVersion}; expected an extended CONNECT with \":protocol: websocket\" (RFC 8441 §4), or an upgrade over HTTP/1.1.");
        }

        if (!string.Equals(request.ConnectProtocol, HandshakeHeaders.WebSocket, StringComparison.OrdinalIgnoreCase))
        {
            // RFC 9220 §3: an unknown :protocol is 501.
            return Refuse(ServerHandshakeFailure.NoUpgrade, 501, $":protocol is {PeerText.Quote(request.ConnectProtocol)}; expected \"websocket\" (RFC 8441 §5).");
        }

        if (FindVersionError(request.Version) is { } versionError)
        {
            return Refuse(ServerHandshakeFailure.Version, 400, versionError, ConnectVersionHeaders);
        }

        return FindListError(request, out ServerHandshakeVerdict refusal)
            ? refusal
            : ServerHandshakeVerdict.Accepted(200, null, Subprotocols.Choose(subprotocols, request.Subprotocols));
    }

    // RFC 6455 §4.2.1, item 6; the header must not come twice (§11.3.5).
    private static string? FindVersionError<TValues>(TValues values)
        where TValues : IReadOnlyList<string?>
    {
        if (HeaderList.Count(values) == 0)
        {
            return "Sec-WebSocket-Version is missing; expected 13 (RFC 6455 §4.2.1).";
        }

        return HeaderList.Count(values) == 1 && HeaderList.Trim(values[0]) is HandshakeHeaders.Version13
            ? null
            : $"Sec-WebSocket-Version is {PeerText.Quote(values)}; expected 13 (RFC 6455 §4.4).";
    }

    // RFC 6455 §4.2.1, item 5; the header must not come twice (§11.3.1).
    private static string? FindKeyError<TValues>(TValues values, out ReadOnlySpan<char> key)
        where TValues : IReadOnlyList<string?>
    {
        key = default;
        switch (HeaderList.Count(values))
        {
            case 0:
                return "Sec-WebSocket-Key is missing; expected 16 random bytes in base64 (RFC 6455 §4.2.1).";
            case 1:
                key = HeaderList.Trim(values[0]);
                return HandshakeKey.IsValid(key)
                    ? null
                    : $"Sec-WebSocket-Key is {PeerText.Quote(values[0])}; expected 16 bytes in base64, which are 24 characters (RFC 6455 §4.2.1).";
            default:
                return $"Sec-WebSocket-Key comes {HeaderList.Count(values)} times; expected it once (RFC 6455 §11.3.1).";
        }
    }

    // RFC 6455 §4.2.1, items 7 and 8. The extensions are read for their form; whoever negotiates one reads them for their content.
    private static bool FindListError<TValues>(in ServerHandshakeRequest<TValues> request, out ServerHandshakeVerdict refusal)
        where TValues : IReadOnlyList<string?>
    {
        if (Subprotocols.FindOfferError(request.Subprotocols, out bool tooLarge) is { } subprotocolError)
        {
            refusal = RefuseList(ServerHandshakeFailure.Subprotocol, tooLarge, $"{HandshakeHeaders.Protocol} {subprotocolError}; expected distinct tokens, separated by commas (RFC 6455 §4.1).");
            return true;
        }

        if (!ExtensionHeader.TryParse(request.Extensions, null, out string? extensionError, out tooLarge))
        {
            refusal = RefuseList(ServerHandshakeFailure.Extension, tooLarge, $"{HandshakeHeaders.Extensions} {extensionError}; expected extensions with parameters (RFC 6455 §9.1).");
            return true;
        }

        refusal = default;
        return false;
    }

    // RFC 6585 §5: 431 is for headers that are too large.
    private static ServerHandshakeVerdict RefuseList(ServerHandshakeFailure failure, bool tooLarge, string reason) => Refuse(failure, tooLarge ? 431 : 400, reason);

    private static ServerHandshakeVerdict Refuse(ServerHandshakeFailure failure, int statusCode, string reason, params KeyValuePair<string, string>[] headers) =>
        ServerHandshakeVerdict.Refused(failure, statusCode, reason, headers);
}
