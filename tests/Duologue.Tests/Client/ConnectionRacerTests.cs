using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using CsCheck;
using Duologue.Client;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Client;

public class ConnectionRacerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static IPAddress[] Parse(params string[] addresses) => [.. addresses.Select(IPAddress.Parse)];

    [Fact]
    public void Families_alternate_and_the_first_address_stays_first() => Assert.Equal(
        Parse("::1", "1.0.0.1", "::2", "1.0.0.2", "::3"),
        ConnectionRacer.Interleave(Parse("::1", "::2", "::3", "1.0.0.1", "1.0.0.2")));

    [Fact]
    public void Interleaving_loses_nothing_and_keeps_each_family_s_order() => Gen.Bool.Array[0, 12].Sample(families =>
    {
        IPAddress[] addresses = [.. families.Select((six, i) => IPAddress.Parse(six ? $"::{i + 1:x}" : $"1.0.0.{i + 1}"))];
        IPAddress[] mixed = [.. ConnectionRacer.Interleave(addresses)];
        return mixed.Take(1).SequenceEqual(addresses.Take(1))
            && new[] { AddressFamily.InterNetwork, AddressFamily.InterNetworkV6 }.All(family =>
                mixed.Where(a => a.AddressFamily == family).SequenceEqual(addresses.Where(a => a.AddressFamily == family)));
    });

    [Fact]
    public async Task The_second_attempt_starts_250_ms_after_a_first_that_says_nothing_and_the_loser_is_cancelled()
    {
        var world = new World("::1", "1.0.0.1");
        Task<Stream> connecting = world.ConnectAsync(Cancelled);
        Attempt first = await world.NextAttemptAsync();
        Assert.Equal("[::1]:80", first.EndPoint.ToString());
        await world.Time.NextTimerAsync();

        world.Time.Advance(TimeSpan.FromMilliseconds(249));
        Assert.False(world.HasAttempt);
        world.Time.Advance(TimeSpan.FromMilliseconds(1));
        Attempt second = await world.NextAttemptAsync();
        Assert.Equal("1.0.0.1:80", second.EndPoint.ToString());

        var stream = new ClosableStream();
        second.Result.SetResult(stream);
        Assert.Same(stream, await connecting.WaitAsync(Patience, Cancelled));
        await first.Cancelled.Task.WaitAsync(Patience, Cancelled);
        Assert.False(stream.Closed.Task.IsCompleted);
    }

    [Fact]
    public async Task An_address_that_refuses_makes_the_next_attempt_start_at_once()
    {
        var world = new World("::1", "1.0.0.1");
        Task<Stream> connecting = world.ConnectAsync(Cancelled);
        (await world.NextAttemptAsync()).Result.SetException(new SocketException((int)SocketError.ConnectionRefused));
        Attempt second = await world.NextAttemptAsync();
        second.Result.SetResult(new ClosableStream());
        await connecting.WaitAsync(Patience, Cancelled);
    }

    [Fact]
    public async Task The_first_may_still_win_after_the_second_has_started()
    {
        var world = new World("::1", "1.0.0.1");
        Task<Stream> connecting = world.ConnectAsync(Cancelled);
        Attempt first = await world.NextAttemptAsync();
        await world.Time.NextTimerAsync();
        world.Time.Advance(ConnectionRacer.AttemptDelay);
        Attempt second = await world.NextAttemptAsync();
        var stream = new ClosableStream();
        first.Result.SetResult(stream);
        Assert.Same(stream, await connecting.WaitAsync(Patience, Cancelled));
        await second.Cancelled.Task.WaitAsync(Patience, Cancelled);
    }

    [Fact]
    public async Task A_loser_that_connects_after_all_is_closed()
    {
        var world = new World("::1", "1.0.0.1") { IgnoreCancellation = true };
        Task<Stream> connecting = world.ConnectAsync(Cancelled);
        Attempt first = await world.NextAttemptAsync();
        await world.Time.NextTimerAsync();
        world.Time.Advance(ConnectionRacer.AttemptDelay);
        (await world.NextAttemptAsync()).Result.SetResult(new ClosableStream());
        await connecting.WaitAsync(Patience, Cancelled);
        var late = new ClosableStream();
        first.Result.SetResult(late);
        await late.Closed.Task.WaitAsync(Patience, Cancelled);
    }

    [Fact]
    public async Task If_all_fail_the_error_tells_of_each()
    {
        var world = new World("::1", "1.0.0.1");
        Task<Stream> connecting = world.ConnectAsync(Cancelled);
        (await world.NextAttemptAsync()).Result.SetException(new SocketException((int)SocketError.ConnectionRefused));
        (await world.NextAttemptAsync()).Result.SetException(new SocketException((int)SocketError.NetworkUnreachable));
        SocketException e = await Assert.ThrowsAsync<SocketException>(() => connecting.WaitAsync(Patience, Cancelled));
        Assert.Equal(SocketError.ConnectionRefused, e.SocketErrorCode);
        Assert.Contains("No address of host.example took the connection: [::1]:80: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("; 1.0.0.1:80: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_without_an_address_is_an_error_that_names_it()
    {
        SocketException e = await Assert.ThrowsAsync<SocketException>(() => new World().ConnectAsync(Cancelled));
        Assert.Equal(SocketError.HostNotFound, e.SocketErrorCode);
        Assert.Contains("host.example", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancelling_ends_all_attempts()
    {
        using var stop = new CancellationTokenSource();
        var world = new World("::1", "1.0.0.1");
        Task<Stream> connecting = world.ConnectAsync(stop.Token);
        Attempt first = await world.NextAttemptAsync();
        await world.Time.NextTimerAsync();
        world.Time.Advance(ConnectionRacer.AttemptDelay);
        Attempt second = await world.NextAttemptAsync();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting.WaitAsync(Patience, Cancelled));
        await first.Cancelled.Task.WaitAsync(Patience, Cancelled);
        await second.Cancelled.Task.WaitAsync(Patience, Cancelled);
    }

    [Fact]
    public async Task The_system_s_way_connects_a_real_socket_without_Nagle()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using Stream stream = await ConnectionRacer.SystemConnect((IPEndPoint)listener.LocalEndpoint, Cancelled);
        Assert.True(Assert.IsType<NetworkStream>(stream).Socket.NoDelay);
    }

    private sealed record Attempt(IPEndPoint EndPoint, TaskCompletionSource<Stream> Result, TaskCompletionSource Cancelled);

    /// <summary>Addresses whose answers the test gives, and a clock that it turns.</summary>
    private sealed class World(params string[] addresses)
    {
        private readonly Channel<Attempt> _attempts = Channel.CreateUnbounded<Attempt>();

        public TimerTellingTime Time { get; } = new();

        public bool IgnoreCancellation { get; init; }

        public bool HasAttempt => _attempts.Reader.TryPeek(out _);

        public async Task<Stream> ConnectAsync(CancellationToken cancellationToken) =>
            await new ConnectionRacer((_, _) => Task.FromResult(Parse(addresses)), Connect, Time, NullLogger.Instance).ConnectAsync("host.example", 80, cancellationToken);

        public async Task<Attempt> NextAttemptAsync() => await _attempts.Reader.ReadAsync(Cancelled).AsTask().WaitAsync(Patience, Cancelled);

        private async ValueTask<Stream> Connect(IPEndPoint endPoint, CancellationToken cancellationToken)
        {
            var attempt = new Attempt(endPoint, new(TaskCreationOptions.RunContinuationsAsynchronously), new(TaskCreationOptions.RunContinuationsAsynchronously));
            await using CancellationTokenRegistration registration = cancellationToken.Register(() =>
            {
                attempt.Cancelled.SetResult();
                if (!IgnoreCancellation)
                {
                    attempt.Result.TrySetCanceled(cancellationToken);
                }
            });
            _attempts.Writer.TryWrite(attempt);
            return await attempt.Result.Task;
        }
    }

    /// <summary>A clock that tells when somebody begins to wait on it.</summary>
    private sealed class TimerTellingTime : FakeTimeProvider
    {
        private readonly Channel<TimeSpan> _timers = Channel.CreateUnbounded<TimeSpan>();

        public async Task<TimeSpan> NextTimerAsync() => await _timers.Reader.ReadAsync(Cancelled).AsTask().WaitAsync(Patience, Cancelled);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = base.CreateTimer(callback, state, dueTime, period);
            _timers.Writer.TryWrite(dueTime);
            return timer;
        }
    }

    private sealed class ClosableStream : MemoryStream
    {
        public TaskCompletionSource Closed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override void Dispose(bool disposing)
        {
            Closed.TrySetResult();
            base.Dispose(disposing);
        }
    }
}
