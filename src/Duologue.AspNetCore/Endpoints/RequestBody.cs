using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore;

/// <summary>Reads a request's body.</summary>
internal static class RequestBody
{
    /// <summary>
    /// Waits for more of it, as <see cref="PipeReader.ReadAsync"/> does, until the request is aborted. Not by giving the reader the request's token: a read that ends so Kestrel takes for one that is still under way, and leaves an
    /// error and a warning in the log, with their stacks, for each client that hangs up.
    /// </summary>
    /// <exception cref="OperationCanceledException">The client has gone, or the request's time is over.</exception>
    /// <exception cref="IOException">The same; or the body is broken.</exception>
    public static ValueTask<ReadResult> ReadAsync(HttpContext context)
    {
        PipeReader reader = context.Request.BodyReader;
        ValueTask<ReadResult> read = reader.ReadAsync(CancellationToken.None);

        // As a rule it came with its head.
        return read.IsCompleted ? read : WaitAsync(context, reader, read);
    }

    /// <summary>
    /// A read has failed, and whoever read goes on: behind a body without an end no other request can stand. Kestrel would look for one, and leave in the log, as an error of its own, that it cannot.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <param name="error">What the read threw.</param>
    public static void EndBehind(HttpContext context, Exception error)
    {
        if (HttpProtocol.IsHttp11(context.Request.Protocol))
        {
            context.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        }

        if (error is IOException and not BadHttpRequestException and not { InnerException: OverflowException })
        {
            // A reset: nobody is there to be answered.
            context.Abort();
        }
    }

    private static async ValueTask<ReadResult> WaitAsync(HttpContext context, PipeReader reader, ValueTask<ReadResult> read)
    {
        ReadResult result;
        CancellationTokenRegistration aborted = context.RequestAborted.UnsafeRegister(static reader => EndRead((PipeReader)reader!), reader);
        await using (aborted.ConfigureAwait(false))
        {
            result = await read.ConfigureAwait(false);
        }

        if (result.IsCanceled)
        {
            reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            throw new OperationCanceledException(context.RequestAborted);
        }

        return result;
    }

    private static void EndRead(PipeReader reader)
    {
        try
        {
            reader.CancelPendingRead();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The application has aborted the request: Kestrel takes no word for it any more, and ends the read by itself.
        }
    }
}
