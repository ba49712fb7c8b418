namespace Duologue.Cli.Compare.Clients;

/// <summary>Asks, and asks again: after a while, or, where the server holds the request until there is news, at once.</summary>
internal sealed class Poller(WaiterContext context, int number, bool isHeld) : Waiter(context, number)
{
    private const int Limit = 1000;

    // Shorter than the server allows, longer than most spans between messages.
    private const int HeldSeconds = 50;

    private static readonly string Held = $"&limit={Limit}&wait={HeldSeconds}";
    private static readonly string Plain = $"&limit={Limit}";

    protected override async Task WaitForNewsAsync(CancellationToken cancellationToken)
    {
        string cursor = Context.After;
        using var buffer = new RentedBuffer();
        if (!isHeld)
        {
            // Pollers that began together would ask together: real ones come at any time of the interval.
            await Task.Delay(Context.Interval * Random.Shared.NextDouble(), cancellationToken).ConfigureAwait(false);
        }

        while (true)
        {
            Task<HttpResponseMessage> asked = AskAsync(Context.At(cursor, isHeld ? Held : Plain), null, cancellationToken);
            if (isHeld)
            {
                BeginWaiting();
            }

            int count;
            using (HttpResponseMessage response = await asked.ConfigureAwait(false))
            {
                Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
                int length = 0;
                for (int before = -1; before != length;)
                {
                    before = length;
                    length = await ReadMoreAsync(body, buffer, length, cancellationToken).ConfigureAwait(false);
                }

                (cursor, count) = FeedItems.DeliverPage(buffer.Array.AsSpan(0, length), Context.Ledger, Number);
            }

            if (!isHeld && count < Limit)
            {
                BeginWaiting();
                await Task.Delay(Context.Interval, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
