using Duologue.Client;

namespace Duologue.Soak;

/// <summary>
/// Reads by Engine.IO sessions, one after the other: whenever a node greets it, it asks for each topic from behind the last message that it was given. Conversations are read one behind the other, so
/// nothing of the last one comes after the greeting of the next.
/// </summary>
internal sealed class SessionReader : Reader
{
    private readonly DuologueClient _client;
    private readonly string[] _cursors;
    private readonly Task _reading;

    /// <param name="changes">Whether each session changes to a WebSocket; else it is polled for all its life.</param>
    public SessionReader(string name, Uri url, bool changes, int[] topics, Ledger ledger, bool mayReset, CancellationToken cancellationToken)
        : base(name, topics, ledger, mayReset)
    {
        _cursors = [.. topics.Select(_ => SessionTopics.Oldest)];

        // By the query a WebSocket is a session, too, where no polled one could be opened.
        url = WebSocketUri.Normalize(new Uri(url, SessionTopics.Path + "?EIO=4"));
        _client = new DuologueClient(url, new DuologueClientOptions
        {
            Connect = new ConnectOptions { Transports = changes ? Transports.WebSocket | Transports.LongPolling : Transports.LongPolling, PollingFirst = changes },
            BeforeConnect = (options, _) =>
            {
                // Where a session could not be opened, a WebSocket would be tried first for ten minutes: here each is to change.
                TransportMemory.Shared.Forget(url);
                return ValueTask.FromResult(options);
            },
            MaxDelay = TimeSpan.FromSeconds(5),
        });
        _client.Start();
        _reading = Task.Run(() => ReadAsync(cancellationToken), CancellationToken.None);
    }

    protected override string State => $"by {_client.Connection?.Transport.ToString() ?? "no session"}, {_client.State}";

    public override async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _reading;
    }

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (Message message in _client.ReadAllAsync(cancellationToken))
            {
                Take(message.Text.Split(' '));
            }

            LoseAll("its client has ended");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The run is over.
        }
        catch (HandshakeException e)
        {
            LoseAll(e.Message);
        }

        void LoseAll(string why)
        {
            for (int i = 0; i < Topics.Count && !cancellationToken.IsCancellationRequested; i++)
            {
                Lose(i, why);
            }
        }
    }

    private void Take(string[] words)
    {
        switch (words)
        {
            case ["hello", string id]:
                Ledger.SessionOpened();
                for (int i = 0; i < Topics.Count; i++)
                {
                    _client.Send($"read {id} {Publisher.NameOf(Topics[i])} {_cursors[i]}", WhenAway.Drop);
                }

                break;
            case ["item", string topic, string cursor, string text]:
                Take(MoveTo(topic, cursor), text);
                break;
            case ["reset", string topic, string cursor, string lost]:
                TakeReset(MoveTo(topic, cursor), lost);
                break;
            default:
                Ledger.Complain($"{Name} was told: {string.Join(' ', words)}");
                break;
        }
    }

    private int MoveTo(string topic, string cursor)
    {
        int index = Topics.Select(Publisher.NameOf).ToList().IndexOf(topic);
        _cursors[index] = cursor;
        return index;
    }
}
