using System.Collections.Concurrent;
using System.Globalization;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Duologue.AspNetCore;

namespace Duologue.Redis.Tests.Support;

/// <summary>
/// Publishers of numbered messages, each repeated by its key until it is confirmed, and subscribers of every way who put down what they are given. What they have is compared with the log at the end.
/// </summary>
internal sealed class NumberedCrowd(string topic) : IDisposable
{
    private const string Reset = "reset";
    private const string End = "end";

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly CancellationTokenSource _over = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
    private readonly CancellationTokenSource _enough = new();
    private readonly ConcurrentDictionary<string, List<string>> _had = new(StringComparer.Ordinal);
    private readonly List<Task> _publishers = [];
    private readonly List<Task> _readers = [];
    private readonly TaskCompletionSource _awake = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _confirmed;

    /// <summary>How many publishes were confirmed, of all publishers.</summary>
    public int Confirmed => Volatile.Read(ref _confirmed);

    public static void KeepAll(DuologueOptions options) => options.TopicHistory = new TopicHistory { MaxCount = 1_000_000, MaxBytes = 1 << 30, MaxIdempotencyKeys = 1_000_000 };

    public void Publish(params ReadOnlySpan<Node> nodes)
    {
        foreach (Node node in nodes)
        {
            _publishers.Add(PublishAllAsync(node, _publishers.Count));
        }
    }

    /// <summary>One subscriber of each way, and one in the process that reads a page and sleeps until the end, and a poll that does.</summary>
    public async Task SubscribeAsync(params Node[] nodes)
    {
        Array.ForEach(nodes, Subscribe);
        await Eventually.True(() => _had.Values.All(static had => Count(had) > 0) || _readers.Any(static reader => reader.IsFaulted));
    }

    /// <summary>Waits until so many more are confirmed.</summary>
    public async Task ConfirmAsync(int count)
    {
        int before = Confirmed;
        await Eventually.True(() => Confirmed >= before + count || _publishers.Concat(_readers).Any(static task => task.IsFaulted));
    }

    private void Subscribe(Node node)
    {
        string name = node.Broker.NodeName;
        _readers.Add(ReadAsync(node, Log($"{name} in process"), sleeps: false));
        _readers.Add(ReadAsync(node, Log($"{name} in process, late"), sleeps: true));
        _readers.Add(PollAsync(node, Log($"{name} long poll"), sleeps: false));
        _readers.Add(PollAsync(node, Log($"{name} long poll, late"), sleeps: true));
        _readers.Add(StreamAsync(node, Log($"{name} events")));
        _readers.Add(TalkAsync(node, Log($"{name} socket")));
    }

    /// <summary>Ends the publishers, and waits for all to have the last message.</summary>
    /// <returns>The log as it is then.</returns>
    public async Task<List<string>> FinishAsync(Node node)
    {
        await _enough.CancelAsync();
        await Task.WhenAll(_publishers).WaitAsync(Node.Patience, _over.Token);
        _awake.TrySetResult();
        await PublishAsync(node, End, End);
        await Task.WhenAll(_readers).WaitAsync(Node.Patience, _over.Token);
        TopicPage page = await node.Topics.ReadAsync(topic, TopicStart.Oldest, int.MaxValue, _over.Token);
        return [.. page.Messages.Select(static message => message.Text)];
    }

    /// <summary>
    /// What is wrong: before a reset each has all numbers of each publisher in order; behind the last reset all that the log has from there on; and the log has what was confirmed since it lost something once.
    /// </summary>
    public List<string> Complaints(List<string> log)
    {
        List<string> complaints = [.. log.GroupBy(static text => text).Where(static same => same.Count() > 1).Select(static same => $"The log has {same.Key} {same.Count()} times.")];
        foreach ((string name, List<string> had) in _had)
        {
            int lastReset = had.LastIndexOf(Reset);
            int firstReset = had.IndexOf(Reset);
            complaints.AddRange(Gaps(had[..(firstReset < 0 ? had.Count : firstReset)]).Select(gap => $"{name}, {(firstReset < 0 ? "without a reset" : "before the first reset")}: {gap}."));
            List<string> rest = had[(lastReset + 1)..];

            // It may have had the first of them before the log lost these.
            int from = log.IndexOf(rest[0]);
            int since = from < 0 ? Math.Max(0, rest.IndexOf(log[0])) : 0;
            if (!rest[since..].SequenceEqual(log[Math.Max(0, from)..]))
            {
                complaints.Add($"{name} does not have the rest of the log behind {(lastReset < 0 ? "its beginning" : "the last reset")}: {rest[0]}, of {rest.Count} from {since}, the log {log.Count} from {from}.");
            }
        }

        return complaints;
    }

    /// <summary>How many resets there were, of all subscribers.</summary>
    public int Resets => _had.Values.Sum(static had => had.Count(static item => item == Reset));

    public string Summary => string.Join("\n", _had.OrderBy(static had => had.Key).Select(static had => $"{had.Key}: {had.Value.Count}, {had.Value.Count(static item => item == Reset)} resets"));

    public void Dispose()
    {
        _over.Cancel();
        _over.Dispose();
        _enough.Dispose();
    }

    private static IEnumerable<string> Gaps(List<string> had)
    {
        Dictionary<string, int> last = new(StringComparer.Ordinal);
        foreach (string text in had.Where(static text => text != End))
        {
            string[] parts = text.Split(':');
            int number = int.Parse(parts[1], CultureInfo.InvariantCulture);
            if (number != last.GetValueOrDefault(parts[0]) + 1)
            {
                yield return $"{text} behind {last.GetValueOrDefault(parts[0])}";
            }

            last[parts[0]] = number;
        }
    }

    private static int Count(List<string> had)
    {
        lock (had)
        {
            return had.Count;
        }
    }

    private List<string> Log(string name) => _had.GetOrAdd(name, static _ => []);

    private async Task PublishAllAsync(Node node, int publisher)
    {
        for (int number = 1; !_enough.IsCancellationRequested; number++)
        {
            await PublishAsync(node, $"{publisher}:{number}", $"{publisher}-{number}");
            Interlocked.Increment(ref _confirmed);
        }
    }

    private async Task PublishAsync(Node node, string text, string key)
    {
        while (true)
        {
            try
            {
                await node.Topics.PublishAsync(topic, text, key, _over.Token);
                return;
            }
            catch (BrokerUnavailableException)
            {
                await Task.Delay(Pause, _over.Token);
            }
        }
    }

    // True at the end.
    private static bool Take(List<string> had, bool isReset, IEnumerable<string> texts)
    {
        lock (had)
        {
            if (isReset)
            {
                had.Add(Reset);
            }

            had.AddRange(texts);
            return had.Count > 0 && had[^1] == End;
        }
    }

    private static bool Take(List<string> had, JsonElement page) =>
        Take(had, page.GetProperty("reset").GetBoolean(), page.GetProperty("items").EnumerateArray().Select(static item => item.GetProperty("data").GetString()!));

    private async Task ReadAsync(Node node, List<string> had, bool sleeps)
    {
        TopicSubscription? reader = null;
        try
        {
            while (true)
            {
                try
                {
                    reader ??= await node.Topics.SubscribeAsync(topic, TopicStart.Oldest, _over.Token);
                    TopicPage page = await reader.ReadAsync(_over.Token);
                    if (Take(had, page.IsReset, page.Messages.Select(static message => message.Text)))
                    {
                        return;
                    }

                    if (sleeps)
                    {
                        await _awake.Task.WaitAsync(_over.Token);
                    }
                }
                catch (BrokerUnavailableException)
                {
                    await Task.Delay(Pause, _over.Token);
                }
            }
        }
        finally
        {
            reader?.Dispose();
        }
    }

    private async Task PollAsync(Node node, List<string> had, bool sleeps)
    {
        using var client = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        string after = "oldest";
        while (true)
        {
            using HttpResponseMessage answer = await client.GetAsync(new Uri($"{node.Url}/topics/{topic}?wait=5&after={after}"), _over.Token);
            if (!answer.IsSuccessStatusCode)
            {
                await Task.Delay(Pause, _over.Token);
                continue;
            }

            using var page = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(_over.Token));
            after = page.RootElement.GetProperty("next").GetString()!;
            if (Take(had, page.RootElement))
            {
                return;
            }

            if (sleeps && Count(had) > 0)
            {
                await _awake.Task.WaitAsync(_over.Token);
            }
        }
    }

    private async Task StreamAsync(Node node, List<string> had)
    {
        using var client = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        string? last = null;
        while (true)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"{node.Url}/topics/{topic}");
            request.Headers.Accept.ParseAdd("text/event-stream");
            if (last is not null)
            {
                request.Headers.Add("Last-Event-ID", last);
            }

            using HttpResponseMessage answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, _over.Token);
            if (!answer.IsSuccessStatusCode)
            {
                await Task.Delay(Pause, _over.Token);
                continue;
            }

            using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(_over.Token));
            string? id = last;
            bool isReset = false;
            while (await LineAsync(lines) is { } line)
            {
                if (line.StartsWith("event:", StringComparison.Ordinal))
                {
                    isReset = line.Contains("reset", StringComparison.Ordinal);
                }
                else if (line.StartsWith("id:", StringComparison.Ordinal))
                {
                    id = line[3..].Trim();
                }
                else if (line.StartsWith("data:", StringComparison.Ordinal))
                {
                    using var data = JsonDocument.Parse(line[5..]);
                    if (isReset ? Take(had, isReset: true, []) : Take(had, isReset: false, [data.RootElement.GetProperty("data").GetString()!]))
                    {
                        return;
                    }
                }
                else if (line.Length == 0)
                {
                    (last, isReset) = (id, false);
                }
            }
        }
    }

    // Null at the end, which a stream whose log cannot be read has in the midst.
    private async Task<string?> LineAsync(StreamReader lines)
    {
        try
        {
            return await lines.ReadLineAsync(_over.Token);
        }
        catch (Exception error) when (error is IOException or HttpRequestException)
        {
            return null;
        }
    }

    private async Task TalkAsync(Node node, List<string> had)
    {
        string after = "oldest";
        while (true)
        {
            using var socket = new ClientWebSocket();
            socket.Options.AddSubProtocol("duologue.topics.v1");
            await socket.ConnectAsync(new Uri($"{node.Url.Replace("http", "ws", StringComparison.Ordinal)}/topics"), _over.Token);
            await socket.SendAsync(Encoding.UTF8.GetBytes($$"""{"type":"subscribe","topic":"{{topic}}","after":"{{after}}"}"""), WebSocketMessageType.Text, endOfMessage: true, _over.Token);
            bool isRefused = false;
            while (!isRefused)
            {
                using JsonDocument said = await ReceiveAsync(socket);
                switch (said.RootElement.GetProperty("type").GetString())
                {
                    case "items":
                        after = said.RootElement.GetProperty("next").GetString()!;
                        if (Take(had, said.RootElement))
                        {
                            return;
                        }

                        break;
                    case "error":
                        isRefused = true;
                        await Task.Delay(Pause, _over.Token);
                        break;
                    default:
                        break;
                }
            }
        }
    }

    private async Task<JsonDocument> ReceiveAsync(ClientWebSocket socket)
    {
        using var message = new MemoryStream();
        byte[] buffer = new byte[16 * 1024];
        ValueWebSocketReceiveResult result;
        do
        {
            result = await socket.ReceiveAsync(buffer.AsMemory(), _over.Token);
            Assert.Equal(WebSocketMessageType.Text, result.MessageType);
            message.Write(buffer, 0, result.Count);
        }
        while (!result.EndOfMessage);
        return JsonDocument.Parse(message.ToArray());
    }
}
