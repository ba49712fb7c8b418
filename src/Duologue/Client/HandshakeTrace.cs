namespace Duologue;

/// <summary>One exchange of an opening handshake, as it went over the wire: with a proxy's CONNECT or a 401 there are several.</summary>
/// <remarks>
/// On HTTP/2 a head is a compressed list of fields: it is written out here, a field a line, first those of HTTP/2 itself, such as
/// <c>:method: CONNECT</c> and <c>:protocol: websocket</c>. Of an exchange that was repeated with credentials there only the last is given.
/// </remarks>
/// <param name="Request">The head that was sent, with its line ends and the empty line; credentials and cookies included.</param>
/// <param name="Response">The head that was answered, likewise, interim answers (1xx) before it; cut short or "" if it never came whole.</param>
public sealed record HandshakeTrace(string Request, string Response);
