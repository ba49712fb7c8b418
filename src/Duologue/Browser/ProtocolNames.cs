using Duologue.Protocol.Handshake;

namespace Duologue.Browser;

/// <summary>What may be asked for as a subprotocol. Source: WHATWG WebSockets §3.1, RFC 6455 §4.1, RFC 9110 §5.6.2.</summary>
internal static class ProtocolNames
{
    /// <exception cref="DomException">A SyntaxError: a name is no token, or is there twice, compared without case.</exception>
    public static void Validate(IReadOnlyList<string> protocols)
    {
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (string protocol in protocols)
        {
            if (!HttpToken.IsValid(protocol))
            {
                throw DomException.Syntax($"The subprotocol {PeerText.Quote(protocol ?? "")} is not a token: use one or more letters, digits and !#$%&'*+-.^_`|~ only.");
            }

            if (!seen.Add(protocol))
            {
                throw DomException.Syntax($"The subprotocol '{protocol}' is given twice; case does not tell them apart.");
            }
        }
    }
}
