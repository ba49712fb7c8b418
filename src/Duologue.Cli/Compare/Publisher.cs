using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Duologue.Cli.Compare;

/// <summary>Publishes numbered messages at a steady rate, by one HTTP request each.</summary>
internal sealed class Publisher(Uri server, string topic, Ledger ledger) : IDisposable
{
    // As long as a sentence in a chat.
    private const string Words = "The quick brown fox jumps over the lazy dog.";

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false, ActivityHeadersPropagator = null });
    private readonly Uri _topic = new(server, $"/topics/{topic}");

    /// <summary>Publishes what is no message of the comparison; answers the cursor behind it, where all clients begin.</summary>
    public Task<string> BeginAsync(CancellationToken cancellationToken) => PostAsync("\"begin\"", cancellationToken);

    /// <summary>
    /// Publishes so many messages, so many a second, each in the middle of its share of the time. A server that does not keep up is given thrice the time, and then no more messages.
    /// </summary>
    public async Task RunAsync(int window, double rate, int count, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        TimeSpan most = (TimeSpan.FromSeconds(count / rate) * 3) + Grace;
        for (int i = 0; i < count && Stopwatch.GetElapsedTime(start) < most; i++)
        {
            // A message's delay counts from when it was due: a server that answers a publish late makes the next one late, too.
            long due = start + (long)((i + 0.5) / rate * Stopwatch.Frequency);
            TimeSpan wait = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due);
            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, cancellationToken).ConfigureAwait(false);

                // The timer wakes up late by a millisecond or so; that is no delay of the server's.
                due = Stopwatch.GetTimestamp();
            }

            long number = ledger.Publish(window);
            await PostAsync(string.Create(CultureInfo.InvariantCulture, $$"""{"n":{{number}},"w":{{window}},"t":{{due}},"words":"{{Words}}"}"""), cancellationToken).ConfigureAwait(false);
        }

        TimeSpan rest = TimeSpan.FromSeconds(count / rate) - Stopwatch.GetElapsedTime(start);
        if (rest > TimeSpan.Zero)
        {
            await Task.Delay(rest, cancellationToken).ConfigureAwait(false);
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<string> PostAsync(string json, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(json));
        content.Headers.ContentType = Json;
        using HttpResponseMessage response = await _http.PostAsync(_topic, content, cancellationToken).ConfigureAwait(false);
        byte[] answer = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            throw new InvalidDataException($"The server answered {(int)response.StatusCode} to a publish.");
        }

        using JsonDocument document = JsonDocument.Parse(answer);
        return document.RootElement.GetProperty("id").GetString()!;
    }
}
