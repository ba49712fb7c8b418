using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore;

/// <summary>What Engine.IO answers to a request that has no session to go to. Source: the error codes of the protocol's reference.</summary>
internal readonly record struct SessionError(int Code, string Message, int StatusCode, RefusalReason Reason)
{
    public static readonly SessionError UnknownTransport = new(0, "Transport unknown", StatusCodes.Status400BadRequest, RefusalReason.SessionRequest);
    public static readonly SessionError UnknownSession = new(1, "Session ID unknown", StatusCodes.Status400BadRequest, RefusalReason.SessionUnknown);

    /// <summary>The session was on another node, which has gone: no other has it either. The status tells it from a session that has merely ended.</summary>
    public static readonly SessionError NodeGone = UnknownSession with { StatusCode = StatusCodes.Status410Gone, Reason = RefusalReason.SessionNodeGone };

    public static readonly SessionError BadMethod = new(2, "Bad handshake method", StatusCodes.Status400BadRequest, RefusalReason.Method);
    public static readonly SessionError BadRequest = new(3, "Bad request", StatusCodes.Status400BadRequest, RefusalReason.SessionRequest);
    public static readonly SessionError Forbidden = new(4, "Forbidden", StatusCodes.Status403Forbidden, RefusalReason.Origin);
    public static readonly SessionError UnsupportedVersion = new(5, "Unsupported protocol version", StatusCodes.Status400BadRequest, RefusalReason.Version);

    /// <summary>A method that a session does not know; the session lives on.</summary>
    public static readonly SessionError MethodNotAllowed = BadRequest with { StatusCode = StatusCodes.Status405MethodNotAllowed, Reason = RefusalReason.Method };

    public Refusal ToRefusal() => new(Reason, StatusCode, Message, []);

    public async Task WriteAsync(HttpContext context, bool isUpgrade)
    {
        HttpResponse response = context.Response;
        response.StatusCode = StatusCode;
        response.Headers.CacheControl = "no-store";
        if (isUpgrade)
        {
            response.ContentType = "text/html";
            if (HttpProtocol.IsHttp11(context.Request.Protocol))
            {
                // RFC 9113 §8.2.2: HTTP/2 has no such header, and the web server takes it out with a warning each time.
                response.Headers.Connection = "close";
            }

            await response.WriteAsync(Message, context.RequestAborted).ConfigureAwait(false);
            return;
        }

        response.ContentType = "application/json";
        if (StatusCode == StatusCodes.Status405MethodNotAllowed)
        {
            response.Headers.Allow = "GET, POST, OPTIONS";
        }

        // The texts are our own and need no escaping.
        await response.WriteAsync($"{{\"code\":{Code},\"message\":\"{Message}\"}}", context.RequestAborted).ConfigureAwait(false);
    }
}
