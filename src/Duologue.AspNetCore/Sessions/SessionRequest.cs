using System.Buffers;
using System.IO.Pipelines;
using Duologue.EngineIo;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Timeouts;

namespace Duologue.AspNetCore;

/// <summary>One polled request of a session: a GET that receives, or a POST that sends.</summary>
internal static class SessionRequest
{
    // How much is given to the connection at a time. When it takes no more, the rest is held back, and the answer with it.
    private const int Portion = 64 * 1024;

    public static async Task PollAsync(HttpContext context, Session session, string? name, TimeSpan? wait)
    {
        PolledTransport polled = session.Polled!;
        if (!await polled.BeginAsync(name, wait).ConfigureAwait(false))
        {
            // The one that is held is answered with a close: nobody knows any more which of the two has what.
            session.Carrier.Violate(ProtocolViolation.OverlappingRequests);
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        // A held request is not a slow one.
        context.Features.Get<IHttpRequestTimeoutFeature>()?.DisableTimeout();
        bool isRepeated = false;
        bool isWritten = false;
        try
        {
            PolledPayload payload;
            try
            {
                CancellationTokenRegistration gone = context.RequestAborted.UnsafeRegister(static polled => ((PolledTransport)polled!).OnGone(), polled);
                CancellationTokenRegistration end = context.Features.Get<ForwardedPoll>()?.End.UnsafeRegister(static polled => ((PolledTransport)polled!).TimeOut(), polled) ?? default;
                await using (gone.ConfigureAwait(false))
                await using (end.ConfigureAwait(false))
                {
                    payload = await polled.FillAsync(wait).ConfigureAwait(false);
                }

                Prepare(context.Response, payload.Body);
            }
            finally
            {
                // Before the answer leaves: the client may ask again as soon as it has the last byte.
                isRepeated = !polled.End();
            }

            if (isRepeated)
            {
                context.Abort();
                return;
            }

            isWritten = await FlushAsync(context.Response).ConfigureAwait(false);
            if (isWritten && payload.Closing is { } closing)
            {
                // The client has nothing to answer a close with: having it is its answer.
                session.Carrier.OnClose(closing.Code, closing.Reason);
                await session.Carrier.DispatchAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            if (!isWritten && !isRepeated)
            {
                // What was taken for this answer is gone, and a session with a gap is none.
                session.Carrier.Lose();
            }
        }
    }

    private static void Prepare(HttpResponse response, FrameBuffer body)
    {
        response.ContentType = "text/plain; charset=UTF-8";
        response.Headers.CacheControl = "no-store";
        response.ContentLength = body.Length;
        response.BodyWriter.Write(body.Span);
    }

    /// <summary>False if the client was gone before.</summary>
    private static async ValueTask<bool> FlushAsync(HttpResponse response)
    {
        try
        {
            // Not by the request's token: who has the last byte may hang up before this is told of it.
            FlushResult flushed = await response.BodyWriter.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            return flushed is { IsCompleted: false, IsCanceled: false };
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or ConnectionAbortedException)
        {
            return false;
        }
    }

    /// <returns>The status that was answered.</returns>
    public static async Task<int> PostAsync(HttpContext context, Session session, string? name)
    {
        if (!session.TryBeginPost(context))
        {
            session.Carrier.Violate(ProtocolViolation.OverlappingRequests);
            session.AbortPost();
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return StatusCodes.Status400BadRequest;
        }

        try
        {
            context.Response.Headers.CacheControl = "no-store";

            // Who repeats a POST has not heard that it was taken. Its length tells it from another that was named within the same millisecond.
            (string, long?)? post = name is null ? null : (name, context.Request.ContentLength);
            bool isRepeat = post is not null && post == session.TakenPost;
            int status = isRepeat ? StatusCodes.Status200OK : await ReadAsync(context, session).ConfigureAwait(false);
            context.Response.StatusCode = status;
            if (status == StatusCodes.Status200OK)
            {
                session.TakenPost = post;
                context.Response.ContentType = "text/html";
                context.Response.ContentLength = 2;
                context.Response.BodyWriter.Write("ok"u8);
            }
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or ConnectionAbortedException)
        {
            // What the client still had to say is unknown: a session with a gap is none. Where there is a client, nothing of this was taken.
            RequestBody.EndBehind(context, error);
            context.Response.StatusCode = error is BadHttpRequestException broken ? broken.StatusCode : StatusCodes.Status400BadRequest;
            session.Carrier.Lose(error);
        }
        finally
        {
            session.EndPost();
        }

        return context.Response.StatusCode;
    }

    /// <summary>The web server's own limit would end a request that is allowed here, or that is to be answered.</summary>
    public static void AllowPayload(HttpContext context, int maxPayload)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit && limit.MaxRequestBodySize <= maxPayload)
        {
            limit.MaxRequestBodySize = maxPayload + 1L;
        }
    }

    /// <summary>Reads the payload whole, then gives it to the connection: a body that is refused for its size has delivered nothing.</summary>
    private static async Task<int> ReadAsync(HttpContext context, Session session)
    {
        HttpRequest request = context.Request;
        if (request.ContentType?.StartsWith("application/octet-stream", StringComparison.OrdinalIgnoreCase) == true)
        {
            // The binary mode of the protocol's version 3.
            session.Carrier.Violate(ProtocolViolation.InvalidPacket);
            return StatusCodes.Status400BadRequest;
        }

        AllowPayload(context, session.MaxPayload);
        PipeReader reader = request.BodyReader;
        while (request.ContentLength is null || request.ContentLength <= session.MaxPayload)
        {
            ReadResult result = await RequestBody.ReadAsync(context).ConfigureAwait(false);
            ReadOnlySequence<byte> buffer = result.Buffer;
            if (buffer.Length > session.MaxPayload)
            {
                reader.AdvanceTo(buffer.End);
                break;
            }

            if (result.IsCompleted)
            {
                // Where the session has ended while the body came, nobody has it.
                bool valid = !session.HasEnded && await BringAsync(buffer, session).ConfigureAwait(false);
                reader.AdvanceTo(buffer.End);
                return valid ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest;
            }

            reader.AdvanceTo(buffer.Start, buffer.End);
        }

        return StatusCodes.Status413PayloadTooLarge;
    }

    /// <summary>
    /// Gives the connection the packets in order. False if one is none: those before it were given, and the session has ended. False, too, if nobody has all of the messages: the session has ended before they were
    /// taken, or the handler has failed before them.
    /// </summary>
    private static async ValueTask<bool> BringAsync(ReadOnlySequence<byte> payload, Session session)
    {
        SessionCarrier carrier = session.Carrier;
        long brought = 0;
        bool hasMessages = false;
        while (true)
        {
            SequencePosition? separator = payload.PositionOf(PacketReader.Separator);
            ReadOnlySequence<byte> packet = separator is { } at ? payload.Slice(0, at) : payload;
            hasMessages |= PacketReader.IsMessage(packet);
            PacketKind kind = Bring(packet, carrier);
            if (kind == PacketKind.Close)
            {
                session.Polled!.OnClosedByPeer();
            }

            brought += packet.Length;
            bool last = kind != PacketKind.Taken || separator is null;
            if (last || brought >= Portion)
            {
                brought = 0;
                await carrier.DispatchAsync().ConfigureAwait(false);
            }

            if (kind == PacketKind.Invalid)
            {
                carrier.Violate(ProtocolViolation.InvalidPacket);
                return false;
            }

            if (last)
            {
                return !hasMessages || !carrier.IsCut;
            }

            payload = payload.Slice(payload.GetPosition(1, separator!.Value));
        }
    }

    private static PacketKind Bring(in ReadOnlySequence<byte> packet, SessionCarrier carrier)
    {
        if (packet.IsSingleSegment)
        {
            return PacketReader.BringToServer(packet.FirstSpan, carrier);
        }

        byte[] rented = ArrayPool<byte>.Shared.Rent((int)packet.Length);
        try
        {
            packet.CopyTo(rented);
            return PacketReader.BringToServer(rented.AsSpan(0, (int)packet.Length), carrier);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
