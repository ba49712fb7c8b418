using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore.Tests.Hostile;

/// <summary>
/// The server's side of hostile conversations, in both shapes of a handler: it echoes, and throws or closes when asked. Keeps who
/// they were, without keeping them alive, and how they ended.
/// </summary>
internal sealed class Victims
{
    public const string ClassPath = "/class";
    public const string DelegatePath = "/delegate";

    private readonly ConcurrentQueue<WeakReference<Connection>> _seen = new();

    // Few, so that what a test of many counts is not what it keeps itself.
    private readonly Channel<CloseInfo> _ends = Channel.CreateBounded<CloseInfo>(new BoundedChannelOptions(10) { FullMode = BoundedChannelFullMode.DropOldest });
    private int _opened;
    private int _ended;

    public int Opened => Volatile.Read(ref _opened);

    public int Ended => Volatile.Read(ref _ended);

    /// <summary>How many of them the garbage collector still finds in use. Forgets the others.</summary>
    public int CountAlive()
    {
        int alive = 0;
        for (int i = _seen.Count; i > 0 && _seen.TryDequeue(out WeakReference<Connection>? reference); i--)
        {
            if (reference.TryGetTarget(out _))
            {
                alive++;
                _seen.Enqueue(reference);
            }
        }

        return alive;
    }

    public void Map(WebApplication app)
    {
        app.MapDuologue<VictimHandler>(ClassPath);
        app.MapDuologue(DelegatePath, TalkAsync);
    }

    public void Register(IServiceCollection services) => services.AddSingleton(this);

    /// <summary>How the next conversation ended.</summary>
    public async Task<CloseInfo> NextEndAsync() =>
        await _ends.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Support.TestHost.Patience);

    private void Meet(Connection connection)
    {
        Interlocked.Increment(ref _opened);
        _seen.Enqueue(new(connection));
    }

    private void Lose(CloseInfo info)
    {
        Interlocked.Increment(ref _ended);
        _ends.Writer.TryWrite(info);
    }

    private async Task TalkAsync(Connection connection)
    {
        Meet(connection);
        _ = LoseAtEndAsync(connection.Closed);
        await foreach (Message message in connection.ReadAllAsync())
        {
            switch (Ask(message))
            {
                case "throw":
                    throw new InvalidOperationException("A test's own failure.");
                case "close":
                    await connection.CloseAsync(1000, "Enough.");
                    break;
                default:
                    await connection.SendAsync(message.Data, message.Type);
                    break;
            }
        }
    }

    private async Task LoseAtEndAsync(Task<CloseInfo> closed) => Lose(await closed);

    private static string? Ask(Message message) => message.Type == MessageType.Text && message.Data.Length < 10 ? message.Text : null;

    private sealed class VictimHandler(Victims victims) : MessageHandler
    {
        public override ValueTask OnOpenAsync(Connection connection)
        {
            victims.Meet(connection);
            return default;
        }

        public override async ValueTask OnMessageAsync(Connection connection, Message message)
        {
            switch (Ask(message))
            {
                case "throw":
                    throw new InvalidOperationException("A test's own failure.");
                case "close":
                    await connection.CloseAsync(1000, "Enough.");
                    break;
                default:
                    connection.Send(message.Data.Span, message.Type);
                    break;
            }
        }

        public override ValueTask OnCloseAsync(Connection connection, CloseInfo info)
        {
            victims.Lose(info);
            return default;
        }
    }
}
