namespace Duologue.Cli.Compare.Clients;

/// <summary>Reads server-sent events: one answer that does not end. Source: WHATWG HTML §9.2.</summary>
internal sealed class EventStreamWaiter(WaiterContext context, int number) : Waiter(context, number)
{
    private static ReadOnlySpan<byte> Data => "data: "u8;

    protected override async Task WaitForNewsAsync(CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await AskAsync(Context.At(Context.After, ""), "text/event-stream", cancellationToken).ConfigureAwait(false);
        Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        using var buffer = new RentedBuffer();
        BeginWaiting();
        int length = 0;
        while (true)
        {
            int before = length;
            length = await ReadMoreAsync(body, buffer, length, cancellationToken).ConfigureAwait(false);
            if (length == before)
            {
                throw new EndOfStreamException("The server ended an event stream.");
            }

            int taken = TakeLines(buffer.Array.AsSpan(0, length));
            buffer.Array.AsSpan(taken, length - taken).CopyTo(buffer.Array);
            length -= taken;
        }
    }

    // The server writes each item on one line, and ends lines with a line feed.
    private int TakeLines(ReadOnlySpan<byte> bytes)
    {
        int taken = 0;
        int end;
        while ((end = bytes[taken..].IndexOf((byte)'\n')) >= 0)
        {
            ReadOnlySpan<byte> line = bytes.Slice(taken, end);
            taken += end + 1;
            if (line.StartsWith(Data))
            {
                FeedItems.DeliverItem(line[Data.Length..], Context.Ledger, Number);
            }
        }

        return taken;
    }
}
