using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Duologue.Peer;
using Duologue.Protocol;
using Duologue.Protocol.Handshake;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Duologue.AspNetCore;

/// <summary>Reads what requests of the feed say, beside their parameters.</summary>
internal static class FeedRequest
{
    private const string EventStream = "text/event-stream";
    private const string IdempotencyHeader = "Idempotency-Key";
    private const string Identity = "identity";

    /// <summary>Whether the request asks for server-sent events.</summary>
    public static bool WantsEventStream(HttpRequest request)
    {
        foreach (string? line in request.Headers.Accept)
        {
            if (line?.Contains(EventStream, StringComparison.OrdinalIgnoreCase) == true)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether the client has what a cursor names. Source: RFC 9110 §13.1.2.</summary>
    public static bool HasAlready(HttpRequest request, string cursor)
    {
        foreach (string? line in request.Headers.IfNoneMatch)
        {
            foreach (string tag in line?.Split(',', StringSplitOptions.TrimEntries) ?? [])
            {
                // Weakly compared: W/"x" is "x".
                if (tag.AsSpan(tag.StartsWith("W/", StringComparison.Ordinal) ? 2 : 0).Trim('"').SequenceEqual(cursor))
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>Reads the body as a message; null and a refusal if it is none.</summary>
    public static async ValueTask<(TopicMessage? Message, FeedRefusal Refusal)> ReadMessageAsync(HttpContext context, int maxSize)
    {
        if (KindOf(context.Request.ContentType) is not { } kind)
        {
            return (null, new FeedRefusal(FeedRefusalReason.MediaType, StatusCodes.Status415UnsupportedMediaType, "A message is published as text/plain in UTF-8, application/json or application/octet-stream; say so in Content-Type."));
        }

        if (IsEncoded(context.Request.Headers.ContentEncoding))
        {
            // RFC 9110 §15.5.16: what would do is said.
            context.Response.Headers.AcceptEncoding = Identity;
            string coding = PeerText.Quote(context.Request.Headers.ContentEncoding);
            return (null, new FeedRefusal(FeedRefusalReason.MediaType, StatusCodes.Status415UnsupportedMediaType, $"Content-Encoding is {coding}, which is not undone here; send the body as it is, or let UseRequestDecompression undo it before it comes here."));
        }

        if (!TryReadKey(context.Request, out string? key))
        {
            return (null, new FeedRefusal(FeedRefusalReason.Key, StatusCodes.Status400BadRequest, $"The header {IdempotencyHeader} has no key that can be remembered. {IdempotencyKey.Rule}"));
        }

        (byte[]? body, FeedRefusal refusal) = await ReadBodyAsync(context, maxSize).ConfigureAwait(false);
        if (body is null)
        {
            return (null, refusal);
        }

        // RFC 8259 §8.1: JSON, too. Its reader lets other bytes pass, and its writer puts other characters in their place.
        if (kind != Kind.Binary && !Utf8.IsValid(body))
        {
            return (null, new FeedRefusal(FeedRefusalReason.Body, StatusCodes.Status400BadRequest, "The body is not valid UTF-8; publish it as application/octet-stream, or correct it."));
        }

        switch (kind)
        {
            case Kind.Binary:
                return (new TopicMessage(new BroadcastFrame(Opcode.Binary, body, MessageFlags.None), MessageType.Binary, isJson: false) { IdempotencyKey = key }, default);
            case Kind.Text:
                return (new TopicMessage(new BroadcastFrame(Opcode.Text, body, MessageFlags.None), MessageType.Text, isJson: false) { IdempotencyKey = key }, default);
            default:
                try
                {
                    return (TopicHub.JsonMessage(FeedJson.Compact(body), key), default);
                }
                catch (JsonException error)
                {
                    return (null, new FeedRefusal(FeedRefusalReason.Body, StatusCodes.Status400BadRequest, $"The body is not one JSON value (line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1}); publish it as text/plain, or correct it."));
                }
                catch (InvalidOperationException)
                {
                    return (null, new FeedRefusal(FeedRefusalReason.Body, StatusCodes.Status400BadRequest, "The body has half of a surrogate pair, which is no character; publish it as text/plain, or correct it."));
                }
        }
    }

    // A key in quotation marks is what draft-ietf-httpapi-idempotency-key-header has, one without what most clients send: it is the same key.
    private static bool TryReadKey(HttpRequest request, out string? key)
    {
        StringValues values = request.Headers[IdempotencyHeader];
        key = values.Count == 1 ? values[0] : null;
        if (key is ['"', .., '"'])
        {
            key = key[1..^1];
        }

        return values.Count == 0 || IdempotencyKey.IsValid(key);
    }

    // Whoever reads the topic is not told of a coding, and would have bytes that nobody can tell from the message.
    private static bool IsEncoded(StringValues codings)
    {
        foreach (ReadOnlySpan<char> coding in HeaderList.Elements(codings))
        {
            if (!Ascii.EqualsIgnoreCase(coding, Identity))
            {
                return true;
            }
        }

        return false;
    }

    private enum Kind
    {
        Text,
        Json,
        Binary,
    }

    private static Kind? KindOf(string? contentType)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out MediaTypeHeaderValue? type))
        {
            return null;
        }

        string media = type.MediaType.Value!.ToLowerInvariant();
        Kind? kind = media switch
        {
            "application/octet-stream" => Kind.Binary,
            "application/json" => Kind.Json,

            // What curl -d says of any text.
            "application/x-www-form-urlencoded" => Kind.Text,
            _ when media.StartsWith("text/", StringComparison.Ordinal) => Kind.Text,
            _ when media.EndsWith("+json", StringComparison.Ordinal) => Kind.Json,
            _ => null,
        };

        // RFC 9110 §8.3.1: with quotation marks it is the same.
        StringSegment charset = HeaderUtilities.RemoveQuotes(type.Charset);
        bool isUtf8 = !charset.HasValue || charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase) || charset.Equals("us-ascii", StringComparison.OrdinalIgnoreCase);
        return kind == Kind.Binary || isUtf8 ? kind : null;
    }

    private static async ValueTask<(byte[]? Body, FeedRefusal Refusal)> ReadBodyAsync(HttpContext context, int maxSize)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            // One limit, with one answer; a byte more, so that it is ours that is passed.
            limit.MaxRequestBodySize = maxSize + 1L;
        }

        if (context.Request.ContentLength > maxSize)
        {
            return (null, TooLarge(maxSize));
        }

        PipeReader reader = context.Request.BodyReader;
        while (true)
        {
            ReadResult result;
            try
            {
                result = await RequestBody.ReadAsync(context).ConfigureAwait(false);
            }
            catch (BadHttpRequestException error) when (error.StatusCode == StatusCodes.Status413PayloadTooLarge)
            {
                return (null, TooLarge(maxSize));
            }
            catch (Exception error) when (error is IOException or OperationCanceledException)
            {
                // It breaks a rule of HTTP, by an exception of Kestrel's own or, where a chunk is longer than a number bears, by another; or the client has gone before its end.
                RequestBody.EndBehind(context, error);
                int status = error is BadHttpRequestException broken ? broken.StatusCode : StatusCodes.Status400BadRequest;
                return (null, new FeedRefusal(FeedRefusalReason.Body, status, $"The body could not be read: {error.Message}"));
            }

            if (result.Buffer.Length > maxSize)
            {
                reader.AdvanceTo(result.Buffer.End);
                return (null, TooLarge(maxSize));
            }

            if (result.IsCompleted)
            {
                byte[] body = result.Buffer.ToArray();
                reader.AdvanceTo(result.Buffer.End);
                return (body, default);
            }

            reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    private static FeedRefusal TooLarge(int maxSize) =>
        new(FeedRefusalReason.BodyTooLarge, StatusCodes.Status413PayloadTooLarge, $"The message is larger than {maxSize} bytes (MaxMessageSize).");
}
