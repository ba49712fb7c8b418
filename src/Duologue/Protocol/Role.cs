namespace Duologue.Protocol;

/// <summary>Which side of the handshake this peer was: it decides who masks (RFC 6455 §5.1).</summary>
internal enum Role
{
    Server,
    Client,
}
