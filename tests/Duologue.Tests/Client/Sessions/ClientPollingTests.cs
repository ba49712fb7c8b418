using System.Collections.Concurrent;
using System.Text;
using Duologue.Client.Sessions;
using Duologue.EngineIo;
using Duologue.Protocol;
using Duologue.Tests.Client.Peers;
using Duologue.Tests.Peer;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Client.Sessions;

public class ClientPollingTests
{
    private const string Opening = """0{"sid":"s1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}""";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("6")]
    [InlineData("2")]
    public async Task A_server_that_answered_at_once_with_nothing_was_asked_without_rest(string nothing)
    {
        await using var server = new RawServer(exchange =>
        {
            // The body of a POST, which is a pong, is read as the beginning of the next head.
            bool isPost = exchange.Head.Contains("POST ", StringComparison.Ordinal);
            return exchange.WriteAsync(Answer(isPost ? "ok" : exchange.Head.Contains("sid=", StringComparison.Ordinal) ? nothing : Opening));
        });
        var time = new TimersOnRecord();
        await using Connection connection = await Connection.ConnectAsync(server.Uri, new ConnectOptions { Transports = Transports.LongPolling, TimeProvider = time }, Token);

        // Up to the PollingInterval of 2 s. Time stands still but for the rests.
        foreach (int rest in (int[])[10, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000])
        {
            await Waiting.Until(() => time.TryTake(rest));
            time.Advance(TimeSpan.FromMilliseconds(rest));
        }

        connection.Abort();
    }

    [Fact]
    public async Task A_server_that_sent_without_end_kept_the_thread_that_connected()
    {
        var options = new ConnectOptions { Transports = Transports.LongPolling, Connect = (_, _) => new ValueTask<Stream>(new EndlessServer()) };

        await using Connection connection = await Task.Run(() => Connection.ConnectAsync(new Uri("ws://127.0.0.1:9/"), options, Token).AsTask(), Token).Soon();

        connection.Abort();
        Assert.Equal(CloseCause.Aborted, (await connection.Closed.Soon()).Cause);
    }

    [Fact]
    public async Task A_pause_ended_before_it_was_known_that_the_request_under_way_had_failed()
    {
        // A WebSocket would have taken the session over, and what the answer had in it would have been lost without a word.
        var cut = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new RawServer(async exchange =>
        {
            await cut.Task.WaitAsync(exchange.Stop);
            await exchange.WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n4hel");
            exchange.Stream.Close();
        });
        var options = new ConnectOptions { Transports = Transports.LongPolling | Transports.Polling };
        Assert.True(OpenPacket.TryRead(Encoding.UTF8.GetBytes(Opening), Timeout.InfiniteTimeSpan, out OpenPacket? open, out _));
        Task? paused = null;
        bool? endedBefore = null;
        var polling = new ClientPolling(new SessionRequests(server.Uri, options) { SessionId = "s1" }, open, [], Transport.LongPolling, options)
        {
            // Between the failure and the end of the session.
            HeldInVain = () => endedBefore = SpinWait.SpinUntil(() => paused!.IsCompleted, TimeSpan.FromMilliseconds(200)),
        };
        var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Client, IsSession = true, Options = options with { KeepAliveInterval = Timeout.InfiniteTimeSpan } });
        var carrier = new SessionCarrier(connection, polling, open.Interval, open.Timeout);
        carrier.Start();
        polling.Begin(carrier);
        await Waiting.Until(() => !server.Heads.IsEmpty);
        paused = polling.PauseAsync();

        cut.SetResult();

        Assert.Equal(CloseCause.ConnectionLost, (await connection.Closed.Soon()).Cause);
        await paused.Soon();
        Assert.False(endedBefore);
    }

    [Fact]
    public async Task An_error_that_nobody_expected_ended_the_asking_and_not_the_session()
    {
        ConnectOptions options = new() { Transports = Transports.LongPolling };
        Assert.True(OpenPacket.TryRead(Encoding.UTF8.GetBytes(Opening), Timeout.InfiniteTimeSpan, out OpenPacket? open, out _));
        var requests = new SessionRequests(new Uri("ws://127.0.0.1:9/"), options) { SessionId = "s1" };
        var polling = new ClientPolling(requests, open, [], Transport.LongPolling, options with { TimeProvider = new BrokenClock() });
        var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Client, IsSession = true, Options = options with { KeepAliveInterval = Timeout.InfiniteTimeSpan } });
        var carrier = new SessionCarrier(connection, polling, open.Interval, open.Timeout);
        carrier.Start();

        polling.Begin(carrier);

        Assert.Equal(CloseCause.ConnectionLost, (await connection.Closed.Soon()).Cause);
        await polling.PauseAsync().Soon();
    }

    private static string Answer(string body) => $"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {body.Length}\r\n\r\n{body}";

    private sealed class BrokenClock : TimeProvider
    {
        public override long GetTimestamp() => throw new InvalidOperationException();
    }

    /// <summary>Tells what timers were asked for.</summary>
    private sealed class TimersOnRecord : FakeTimeProvider
    {
        private readonly ConcurrentQueue<TimeSpan> _timers = [];

        /// <summary>Whether one of so many milliseconds was asked for; those before it are forgotten.</summary>
        public bool TryTake(int milliseconds)
        {
            while (_timers.TryDequeue(out TimeSpan due))
            {
                if (due == TimeSpan.FromMilliseconds(milliseconds))
                {
                    return true;
                }
            }

            return false;
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = base.CreateTimer(callback, state, dueTime, period);
            _timers.Enqueue(dueTime);
            return timer;
        }
    }

    /// <summary>Opens a session, and answers what is asked next with noops that never end and are always there.</summary>
    private sealed class EndlessServer : Stream
    {
        private static readonly byte[] Noops = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("6\u001e", 8192)));

        private readonly Lock _lock = new();
        private TaskCompletionSource _due = new();
        private ReadOnlyMemory<byte> _next;
        private bool _isEndless;

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            lock (_lock)
            {
                bool opens = !Encoding.ASCII.GetString(buffer.Span).Contains("sid=", StringComparison.Ordinal);
                _next = Encoding.ASCII.GetBytes(opens ? Answer(Opening) : "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n");
                _isEndless = !opens;
                _due.TrySetResult();
            }

            return default;
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await _due.Task.WaitAsync(cancellationToken);
            lock (_lock)
            {
                int count = Math.Min(buffer.Length, _next.Length);
                _next[..count].CopyTo(buffer);
                _next = _next[count..];
                if (_next.IsEmpty && _isEndless)
                {
                    _next = Noops;
                }
                else if (_next.IsEmpty)
                {
                    _due = new TaskCompletionSource();
                }

                return count;
            }
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
