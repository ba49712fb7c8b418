using System.Diagnostics.Metrics;
using System.Text;
using Duologue.Browser;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Duologue.Tests.Browser;

public sealed class WebSocketSendingTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose() => File.Delete(_path);

    [Fact]
    public async Task Sending_while_connecting_is_an_invalid_state()
    {
        await using RawServer server = RawServer.StartEcho();
        using var context = new ManualContext();
        WebSocket socket = context.Make(() => new WebSocket(server.Url));

        Assert.Equal("InvalidStateError", Assert.Throws<DomException>(() => socket.Send("a")).Name);
        Assert.Equal("InvalidStateError", Assert.Throws<DomException>(() => socket.Send(new Blob())).Name);
        Assert.Equal("InvalidStateError", Assert.Throws<DomException>(() => socket.Send([1])).Name);
        Assert.Equal(0UL, socket.BufferedAmount);
        socket.Close();
    }

    [Fact]
    public async Task Sending_while_closing_and_closed_only_counts()
    {
        await using RawServer server = RawServer.StartEcho();
        var socket = new WebSocket(server.Url);
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;
        socket.Close();
        socket.Send("é");
        Assert.Equal(2UL, socket.BufferedAmount);
        socket.Send([1, 2, 3]);
        Assert.Equal(5UL, socket.BufferedAmount);
        await log.Closed;
        socket.Send(new Blob(["1234"]));
        socket.Send("\uD800");

        Assert.Equal(12UL, socket.BufferedAmount);
        Assert.Equal(["open Open", "close Closed 1005 '' clean"], log.Entries);
    }

    [Fact]
    public async Task The_buffered_amount_falls_only_between_tasks()
    {
        using var context = new ManualContext();
        await using RawServer server = RawServer.StartEcho();
        WebSocket socket = context.Make(() => new WebSocket(server.Url));
        var log = new EventLog(socket);
        server.Go();
        context.TurnUntil(() => socket.ReadyState == ReadyState.Open);

        socket.Send("é\uD800");
        socket.Send(new byte[100_000]);
        Assert.Equal(100_005UL, socket.BufferedAmount);

        // The network takes it all, and the tasks that tell of it wait: the amount stays.
        context.WaitForWork();
        Assert.Equal(100_005UL, socket.BufferedAmount);
        ulong last = 100_005;
        while (log.Data.Count < 2)
        {
            ulong before = socket.BufferedAmount;
            Assert.Equal(last, before);
            context.Turn();
            last = socket.BufferedAmount;
            Assert.True(last <= before);
        }

        Assert.Equal(0UL, socket.BufferedAmount);
        socket.Close();
        context.TurnUntil(() => socket.ReadyState == ReadyState.Closed);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(200_000)]
    public async Task The_buffered_amount_has_fallen_before_the_echo_is_delivered(int size)
    {
        int rounds = size > 1000 ? 20 : 300;
        var afterSend = new List<ulong>();
        var atEcho = new List<ulong>();
        await using RawServer server = RawServer.StartEcho();
        var socket = new WebSocket(server.Url);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        string text = new('x', size);
        socket.OnOpen = _ => Send();
        socket.OnMessage = _ =>
        {
            atEcho.Add(socket.BufferedAmount);
            if (atEcho.Count < rounds)
            {
                Send();
            }
            else
            {
                done.SetResult();
            }
        };
        server.Go();
        await done.Task.WaitAsync(EventLog.Patience, TestContext.Current.CancellationToken);

        Assert.All(afterSend, amount => Assert.Equal((ulong)size, amount));
        Assert.All(atEcho, static amount => Assert.Equal(0UL, amount));
        socket.Close();

        void Send()
        {
            socket.Send(text);
            afterSend.Add(socket.BufferedAmount);
        }
    }

    [Fact]
    public async Task Text_of_every_size_arrives_with_lone_surrogates_replaced()
    {
        string[] texts = ["", "a", "é\uD83D\uDE00", "\uDC00x\uD800", new('y', 125), new('y', 126), new('z', 65_535), new('z', 65_536), new('€', 100_000)];
        await using RawServer server = RawServer.StartEcho();
        var socket = new WebSocket(server.Url);
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;
        foreach (string text in texts)
        {
            socket.Send(text);
        }

        await log.Messages(texts.Length);
        Assert.Equal(texts.Select(static t => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(t))), log.Data);
        socket.Close();
        await log.Closed;
    }

    [Fact]
    public async Task Buffers_are_copied_and_views_keep_offset_and_length()
    {
        await using RawServer server = RawServer.StartEcho();
        var socket = new WebSocket(server.Url) { BinaryType = BinaryType.ArrayBuffer };
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;
        byte[] buffer = [1, 2, 3, 4, 5];
        socket.Send(buffer);
        socket.Send(buffer.AsSpan(1, 2));
        socket.Send(buffer.AsMemory(3));
        socket.Send(new ReadOnlyMemory<byte>(buffer, 2, 1));
        Array.Clear(buffer);

        await log.Messages(4);
        Assert.Equal([new byte[] { 1, 2, 3, 4, 5 }, new byte[] { 2, 3 }, new byte[] { 4, 5 }, new byte[] { 3 }], log.Data);
        socket.Close();
        await log.Closed;
    }

    [Fact]
    public async Task Blobs_and_files_arrive_in_order_with_the_rest()
    {
        byte[] content = new byte[300_000];
        new Random(1).NextBytes(content);
        await File.WriteAllBytesAsync(_path, content, TestContext.Current.CancellationToken);
        Blob file = Blob.FromFile(_path);
        await using RawServer server = RawServer.StartEcho();
        var socket = new WebSocket(server.Url);
        var log = new EventLog(socket);
        ulong amount = 0;
        socket.OnOpen = _ =>
        {
            socket.Send("before");
            socket.Send(file);
            socket.Send(new Blob());
            socket.Send(new Blob(["head", file.Slice(10, 20), "tail"]));
            socket.Send("after");
            amount = socket.BufferedAmount;
        };
        server.Go();

        await log.Messages(5);
        Assert.Equal(6UL + 300_000 + 18 + 5, amount);
        Assert.Equal("before", log.Data[0]);
        Assert.Equal(content, await Assert.IsType<Blob>(log.Data[1]).BytesAsync(TestContext.Current.CancellationToken));
        Assert.Equal(0, Assert.IsType<Blob>(log.Data[2]).Size);
        byte[] mixed = [.. "head"u8, .. content.AsSpan(10, 10), .. "tail"u8];
        Assert.Equal(mixed, await Assert.IsType<Blob>(log.Data[3]).BytesAsync(TestContext.Current.CancellationToken));
        Assert.Equal("after", log.Data[4]);
        socket.Close();
        await log.Closed;
    }

    [Fact]
    public async Task A_file_that_changed_fails_the_connection_and_no_part_of_it_passes_for_the_whole()
    {
        await File.WriteAllTextAsync(_path, "content", TestContext.Current.CancellationToken);
        Blob file = Blob.FromFile(_path);
        await File.AppendAllTextAsync(_path, "more", TestContext.Current.CancellationToken);
        var received = new List<RawFrame>();
        await using RawServer server = RawServer.StartAccepting(async peer =>
        {
            while (true)
            {
                received.Add(await peer.ReadMessageAsync());
            }
        });
        Exception? reason = null;
        var socket = new WebSocket(server.Url, new WebSocketOptions { ConnectionFailed = e => reason = e });
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;
        socket.Send("before");
        socket.Send(file);
        socket.Send("after");
        await log.Closed;

        Assert.Equal(["open Open", "error Closed", "close Closed 1006 '' unclean"], log.Entries);
        Assert.Equal("NotReadableError", Assert.IsType<DomException>(reason).Name);
        Assert.Equal(5UL, socket.BufferedAmount - (ulong)file.Size);
        await server.DisposeAsync();
        Assert.DoesNotContain(received, static f => f.Payload.Length != 6);
    }

    [Fact]
    public async Task A_full_buffer_fails_the_connection()
    {
        await using RawServer server = RawServer.StartAccepting(static peer => Task.Delay(Timeout.Infinite, peer.Stop));
        Exception? reason = null;
        var logged = new FakeLogCollector();
        using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        IMeterFactory meters = services.GetRequiredService<IMeterFactory>();
        using var counted = new MetricCollector<long>(meters, "Duologue", "duologue.client.send_memory.exceeded");
        using var loggers = LoggerFactory.Create(logging => logging.AddProvider(new FakeLoggerProvider(logged)));
        var socket = new WebSocket(server.Url, new WebSocketOptions
        {
            MaxSendMemory = 32 * 1024 * 1024,
            ConnectionFailed = e => reason = e,
            Connection = WebSocketOptions.DefaultConnection with { MeterFactory = meters, LoggerFactory = loggers },
        });
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;
        byte[] buffer = new byte[1024 * 1024];
        for (int i = 0; i < 64; i++)
        {
            socket.Send(buffer);
        }

        await log.Closed;
        Assert.Equal(["open Open", "error Closed", "close Closed 1006 '' unclean"], log.Entries);
        Assert.Contains("MaxSendMemory", Assert.IsType<InvalidOperationException>(reason).Message, StringComparison.Ordinal);
        Assert.True(socket.BufferedAmount > 32UL * 1024 * 1024);
        Assert.Equal(1, Assert.Single(counted.GetMeasurementSnapshot()).Value);
        Assert.Single(logged.GetSnapshot(), record => record.Id.Id == 2005);
    }
}
