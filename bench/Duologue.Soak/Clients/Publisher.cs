using System.Globalization;

namespace Duologue.Soak;

/// <summary>Publishes the numbers of one topic, each when the one before is confirmed.</summary>
internal static class Publisher
{
    public static string NameOf(int topic) => string.Create(CultureInfo.InvariantCulture, $"soak/{topic}");

    public static async Task PublishAsync(TopicClient client, int topic, int number, Ledger ledger, CancellationToken cancellationToken)
    {
        await client.PublishAsync(NameOf(topic), number.ToString(CultureInfo.InvariantCulture), cancellationToken);
        ledger.Confirmed(topic, number);
    }

    /// <summary>Goes on until it is told to stop; the last one is confirmed then.</summary>
    public static async Task RunAsync(TopicClient client, int topic, double rate, Ledger ledger, Random random, CancellationToken stop, CancellationToken cancellationToken)
    {
        int number = ledger.LastOf(topic);
        try
        {
            while (!stop.IsCancellationRequested)
            {
                await PublishAsync(client, topic, ++number, ledger, cancellationToken);
                await Task.Delay(TimeSpan.FromSeconds(random.NextDouble() * 2 / rate), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        catch (TopicException e) when (!cancellationToken.IsCancellationRequested)
        {
            ledger.Complain(string.Create(CultureInfo.InvariantCulture, $"The publish of {number} to topic {topic} by {client.Way} was given up: {e.Code}: {e.Message}"));
        }
        catch (Exception e) when (cancellationToken.IsCancellationRequested && e is TopicException or OperationCanceledException)
        {
            // The run is over.
        }
    }
}
