using Duologue.Protocol;
using Duologue.Tests.Peer;

namespace Duologue.Tests.Carriers;

/// <summary>A server's connection that counts its messages, and of them those that came while the one who started the carrier had not got his thread back.</summary>
internal sealed class CourtesyCount
{
    private int _inCall = 1;
    private int _atOnce;
    private int _handled;

    public CourtesyCount() => Connection = new WebSocketConnection(new ConnectionSetup
    {
        Role = Role.Server,
        Options = new ConnectionOptions(),
        Handler = new TestHandler
        {
            OnMessage = (_, _) =>
            {
                _atOnce += Volatile.Read(ref _inCall);
                Interlocked.Increment(ref _handled);
                return default;
            },
        },
    });

    public WebSocketConnection Connection { get; }

    /// <summary>Starts a carrier that has all messages at hand: nothing but its own courtesy makes it return before it is through with them.</summary>
    public async Task AssertGivesThreadBackAsync(Func<Task> run, int messages)
    {
        Task running = run();
        Volatile.Write(ref _inCall, 0);

        await Waiting.Until(() => Volatile.Read(ref _handled) == messages);
        Assert.InRange(_atOnce, 1, messages / 2);
        Connection.Abort();
        await running.Soon();
    }
}
