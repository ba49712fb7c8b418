namespace Duologue;

/// <summary>One exchange of an opening handshake, as it went over the wire: with a proxy's CONNECT or a 401 there are several.</summary>
/// <param name="Request">The head that was sent, with its line ends and the empty line; credentials and cookies included.</param>
/// <param name="Response">The head that was answered, likewise, interim answers (1xx) before it; cut short or "" if it never came whole.</param>
public sealed record HandshakeTrace(string Request, string Response);
