namespace Duologue.Protocol.Handshake;

/// <summary>The header names of the opening handshake (RFC 6455 §11.3) and its fixed values.</summary>
internal static class HandshakeHeaders
{
    public const string Connection = "Connection";
    public const string Upgrade = "Upgrade";
    public const string Key = "Sec-WebSocket-Key";
    public const string Accept = "Sec-WebSocket-Accept";
    public const string Version = "Sec-WebSocket-Version";
    public const string Protocol = "Sec-WebSocket-Protocol";
    public const string Extensions = "Sec-WebSocket-Extensions";

    /// <summary>The value of <see cref="Upgrade"/>, and of <c>:protocol</c> on HTTP/2 (RFC 8441 §4).</summary>
    public const string WebSocket = "websocket";

    /// <summary>The value of <see cref="Connection"/> in a 426: what to upgrade to is named, and the connection ends.</summary>
    public const string UpgradeThenClose = "Upgrade, close";

    /// <summary>The only version there is (RFC 6455 §4.1, requirement 9).</summary>
    public const string Version13 = "13";

    /// <summary>Whether an application must not set the header itself, because the handshake owns it.</summary>
    public static bool IsReserved(string name) =>
        name.Equals(Connection, StringComparison.OrdinalIgnoreCase)
        || name.Equals(Upgrade, StringComparison.OrdinalIgnoreCase)
        || name.StartsWith("Sec-WebSocket-", StringComparison.OrdinalIgnoreCase);
}
