using System.Diagnostics;
using Duologue.Browser;

namespace Duologue.Tests.Browser;

public class WebSocketEventsTests
{
    [Fact]
    public async Task A_message_is_dropped_if_the_state_is_not_open_when_its_task_runs()
    {
        await using RawServer server = RawServer.StartAccepting(async peer =>
        {
            await peer.WriteAsync([.. RawPeer.Frame(1, "one"u8.ToArray()), .. RawPeer.Frame(1, "two"u8.ToArray()), .. RawPeer.Frame(1, "three"u8.ToArray())]);
            await peer.ReadMessageAsync();
        });
        var socket = new WebSocket(server.Url);
        socket.OnMessage = _ => socket.Close();
        var log = new EventLog(socket);
        server.Go();
        await log.Closed;

        Assert.Equal(["open Open", "message one", "close Closed 1005 '' clean"], log.Entries);
    }

    [Fact]
    public async Task The_binary_type_is_read_when_the_messages_task_runs()
    {
        using var context = new ManualContext();
        var sent = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RawServer server = RawServer.StartAccepting(async peer =>
        {
            await peer.WriteAsync([.. RawPeer.Frame(2, [1]), .. RawPeer.Frame(2, [2]), .. RawPeer.Frame(2, [3])]);
            sent.SetResult();
            await peer.ReadMessageAsync();
        });
        WebSocket socket = context.Make(() => new WebSocket(server.Url));
        var log = new EventLog(socket);
        server.Go();
        Assert.Equal(BinaryType.Blob, socket.BinaryType);
        context.TurnUntil(() => log.Data.Count == 1);
        await sent.Task;
        socket.BinaryType = BinaryType.ArrayBuffer;
        context.TurnUntil(() => log.Data.Count == 2);
        socket.BinaryType = (BinaryType)7;
        Assert.Equal(BinaryType.ArrayBuffer, socket.BinaryType);
        context.TurnUntil(() => log.Data.Count == 3);

        Assert.Equal([1], await Assert.IsType<Blob>(log.Data[0]).BytesAsync(TestContext.Current.CancellationToken));
        Assert.Equal(new byte[] { 2 }, log.Data[1]);
        Assert.Equal(new byte[] { 3 }, log.Data[2]);
        socket.Close();
        context.TurnUntil(() => socket.ReadyState == ReadyState.Closed);
    }

    [Fact]
    public async Task A_message_event_names_type_target_and_origin()
    {
        await using RawServer server = RawServer.StartAccepting(static async peer =>
        {
            await peer.SendTextAsync("hello");
            await peer.ReadMessageAsync();
        });
        var socket = new WebSocket($"http://user:pw@LOCALHOST:{server.Port}/path?query");
        var received = new TaskCompletionSource<MessageEvent>(TaskCreationOptions.RunContinuationsAsynchronously);
        socket.OnMessage = received.SetResult;
        server.Go();
        MessageEvent e = await received.Task.WaitAsync(EventLog.Patience, TestContext.Current.CancellationToken);

        Assert.Equal("message", e.Type);
        Assert.Same(socket, e.Target);
        Assert.Equal("hello", e.Data);
        Assert.Equal($"ws://localhost:{server.Port}", e.Origin);
        socket.Close();
    }

    [Fact]
    public async Task Handlers_and_listeners_are_called_in_order_of_registration()
    {
        await using RawServer server = RawServer.StartEcho();
        using var context = new ManualContext();
        WebSocket socket = context.Make(() => new WebSocket(server.Url));
        var calls = new List<string>();
        Action<Event> first = _ => calls.Add("first");
        socket.AddEventListener("open", first);
        socket.OnOpen = _ => calls.Add("replaced");
        socket.AddEventListener("open", _ => calls.Add("third"));
        socket.AddEventListener("open", first);
        socket.OnOpen = _ => calls.Add("second");
        socket.AddEventListener("open", _ => calls.Add("once"), new AddEventListenerOptions { Once = true });
        Action<Event> removed = _ => calls.Add("removed");
        socket.AddEventListener("open", removed);
        socket.RemoveEventListener("open", removed);
        socket.AddEventListener("Open", _ => calls.Add("another event"));
        server.Go();
        context.TurnUntil(() => socket.ReadyState == ReadyState.Open);

        Assert.Equal(["first", "second", "third", "once"], calls);
        socket.Close();
        context.TurnUntil(() => socket.ReadyState == ReadyState.Closed);
    }

    [Fact]
    public void A_listener_whose_parameter_does_not_fit_the_event_is_refused()
    {
        var socket = new WebSocket("ws://localhost:1/");

        Assert.Throws<ArgumentException>(() => socket.AddEventListener("open", (MessageEvent e) => { }));
        Assert.Throws<ArgumentException>(() => socket.AddEventListener("message", (CloseEvent e) => { }));
        Assert.Throws<ArgumentNullException>(() => socket.AddEventListener("open", (Action<Event>)null!));
    }

    [Fact]
    public async Task An_exception_stops_neither_the_other_listeners_nor_the_connection()
    {
        var reported = new List<Exception>();
        await using RawServer server = RawServer.StartEcho();
        var socket = new WebSocket(server.Url, new WebSocketOptions
        {
            UnhandledListenerException = e =>
            {
                reported.Add(e);
                throw new InvalidOperationException("the reporter fails too");
            },
        });
        socket.OnOpen = _ => throw new InvalidOperationException("open");
        socket.OnMessage = _ => throw new InvalidOperationException("message");
        socket.OnClose = _ => throw new InvalidOperationException("close");
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;
        socket.Send("hello");
        await log.Messages(1);
        socket.Close(3000);
        await log.Closed;

        Assert.Equal(["open Open", "message hello", "close Closed 3000 '' clean"], log.Entries);
        Assert.Equal(["open", "message", "close"], reported.Select(static e => e.Message));
    }

    [Fact]
    public async Task Events_come_on_the_context_of_the_creator()
    {
        using var context = new ManualContext();
        await using RawServer server = RawServer.StartEcho();
        var contexts = new List<SynchronizationContext?>();
        WebSocket socket = context.Make(() => new WebSocket(server.Url));
        socket.OnOpen = _ =>
        {
            contexts.Add(SynchronizationContext.Current);
            socket.Send("a");
        };
        socket.OnMessage = _ =>
        {
            contexts.Add(SynchronizationContext.Current);
            socket.Close();
        };
        socket.OnClose = _ => contexts.Add(SynchronizationContext.Current);
        server.Go();
        context.TurnUntil(() => socket.ReadyState == ReadyState.Closed);

        Assert.Equal([context, context, context], contexts);
    }

    [Fact]
    public async Task Listeners_added_somewhat_late_miss_no_event_on_the_thread_pool()
    {
        await using RawServer server = RawServer.StartAccepting(static async peer =>
        {
            await peer.SendTextAsync("welcome");
            await peer.WriteAsync(RawPeer.CloseFrame(1000));
        });
        server.Go();

        // They are waited for only for a moment: an attempt whose thread the machine held up for longer says nothing.
        EventLog? log = null;
        for (long start = Stopwatch.GetTimestamp(); log is null;)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < EventLog.Patience, "The machine is too busy for any attempt.");
            log = await Task.Run(() => FollowLate(server), TestContext.Current.CancellationToken);
        }

        await log.Closed;

        Assert.Equal(["open Open", "message welcome", "close Closed 1000 '' clean"], log.Entries);
    }

    [Fact]
    public async Task An_event_without_listeners_holds_the_others_up_only_for_a_moment()
    {
        await using RawServer server = RawServer.StartEcho();
        var socket = new WebSocket(server.Url);
        var closed = new TaskCompletionSource<CloseEvent>(TaskCreationOptions.RunContinuationsAsynchronously);
        socket.OnClose = closed.SetResult;
        server.Go();
        Assert.True(SpinWait.SpinUntil(() => socket.ReadyState == ReadyState.Open, EventLog.Patience));
        socket.Close(1000);

        Assert.True((await closed.Task.WaitAsync(EventLog.Patience, TestContext.Current.CancellationToken)).WasClean);
    }

    [Fact]
    public async Task Many_messages_come_one_at_a_time_and_in_order()
    {
        const int Count = 5000;
        await using RawServer server = RawServer.StartAccepting(async peer =>
        {
            for (int i = 0; i < Count; i++)
            {
                await peer.SendTextAsync($"{i}");
            }

            await peer.WriteAsync(RawPeer.CloseFrame(1000));
        });
        var socket = new WebSocket(server.Url);
        int running = 0;
        int overlaps = 0;
        socket.OnMessage = _ =>
        {
            overlaps += Interlocked.Increment(ref running) - 1;
            Interlocked.Decrement(ref running);
        };
        var log = new EventLog(socket);
        server.Go();
        await log.Closed;

        Assert.Equal(0, overlaps);
        Assert.Equal(Enumerable.Range(0, Count).Select(static i => $"{i}"), log.Data);
        Assert.Equal("close Closed 1000 '' clean", log.Entries[^1]);
    }

    [Fact]
    public async Task Listeners_that_are_slow_make_the_server_wait_and_lose_nothing()
    {
        const int Count = 64;
        byte[] payload = new byte[256 * 1024];
        int written = 0;
        using var context = new ManualContext();
        await using RawServer server = RawServer.StartAccepting(async peer =>
        {
            for (int i = 0; i < Count; i++)
            {
                await peer.SendAsync(2, payload);
                Interlocked.Increment(ref written);
            }

            await peer.ReadMessageAsync();
        });
        WebSocket socket = context.Make(() => new WebSocket(server.Url));
        var log = new EventLog(socket);
        server.Go();
        context.TurnUntil(() => log.Data.Count == 1);

        // Nobody takes turns: what the client holds is bounded, so that the server cannot have written all of its 16 MiB.
        Assert.True(Volatile.Read(ref written) < Count);
        context.TurnUntil(() => log.Data.Count == Count);
        socket.Close();
        context.TurnUntil(() => socket.ReadyState == ReadyState.Closed);
        Assert.Equal("close Closed 1005 '' clean", log.Entries[^1]);
    }

    /// <summary>Adds the listeners when the server has the connection; null if that took too long.</summary>
    private static EventLog? FollowLate(RawServer server)
    {
        int before = server.Accepted;
        long start = Stopwatch.GetTimestamp();
        var socket = new WebSocket(server.Url);

        // The creator is held up, as by the scheduler, for long enough that all has arrived on loopback.
        SpinWait.SpinUntil(() => server.Accepted > before, TimeSpan.FromMilliseconds(30));
        long adding = Stopwatch.GetTimestamp();
        var log = new EventLog(socket);
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds < 80 && Stopwatch.GetElapsedTime(adding).TotalMilliseconds < 10 ? log : null;
    }
}
