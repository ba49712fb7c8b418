namespace Duologue.Tests.Peer;

/// <summary>A handler made of delegates, which checks by itself that its calls never overlap.</summary>
internal sealed class TestHandler : IMessageHandler
{
    private readonly TaskCompletionSource<CloseInfo> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _inside;

    public Func<Connection, ValueTask> OnOpen { get; init; } = _ => default;

    public Func<Connection, Message, ValueTask> OnMessage { get; init; } = (_, _) => default;

    public Func<Connection, CloseInfo, ValueTask> OnClose { get; init; } = (_, _) => default;

    /// <summary>Whether two calls were ever under way at once.</summary>
    public bool Overlapped { get; private set; }

    /// <summary>Whether it was called at all.</summary>
    public bool Called { get; private set; }

    public Task<CloseInfo> Closed => _closed.Task;

    public ValueTask OnOpenAsync(Connection connection) => Guard(() => OnOpen(connection));

    public ValueTask OnMessageAsync(Connection connection, Message message) => Guard(() => OnMessage(connection, message));

    public async ValueTask OnCloseAsync(Connection connection, CloseInfo info)
    {
        await Guard(() => OnClose(connection, info));
        Assert.True(_closed.TrySetResult(info), "OnCloseAsync was called twice.");
    }

    private async ValueTask Guard(Func<ValueTask> call)
    {
        Called = true;
        if (Interlocked.Increment(ref _inside) != 1)
        {
            Overlapped = true;
        }

        try
        {
            await call();
        }
        finally
        {
            Interlocked.Decrement(ref _inside);
        }
    }
}
