using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Duologue.Carriers;
using Duologue.EventLoop.Diagnostics;
using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Native;
using Duologue.EventLoop.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Testing;

namespace Duologue.EventLoop.Tests.Loops;

/// <summary>A loop alone: its beginning, its end, and what others ask of it.</summary>
public class LoopTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task An_action_that_throws_is_told_and_the_loop_goes_on(EventLoopBackend backend)
    {
        var log = new FakeLogger();
        Loop loop = Start(backend, log);
        var next = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Post(() => throw new InvalidOperationException("by the test"));
        loop.Post(next.SetResult);
        await next.Task.WaitAsync(LoopHost.Patience, Token);
        Assert.Equal("CallbackFailed", Assert.Single(log.Collector.GetSnapshot()).Id.Name);
        loop.Stop();
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task What_is_asked_for_after_the_end_is_answered(EventLoopBackend backend)
    {
        Loop loop = Start(backend, NullLogger.Instance);
        (int descriptor, _) = Listen();
        var listener = new LoopListener(descriptor, new Acceptor());
        loop.Post(() => loop.Listen(listener));
        loop.Stop();
        await listener.Stopped.WaitAsync(LoopHost.Patience, Token);

        var late = new LoopListener(descriptor, new Acceptor());
        loop.Post(() => loop.Listen(late));
        await late.Stopped.WaitAsync(LoopHost.Patience, Token);
        loop.Post(() => loop.Unlisten(late));
        var action = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Post(action.SetResult);
        await action.Task.WaitAsync(LoopHost.Patience, Token);
        _ = Libc.Close(descriptor);
    }

    [Fact]
    public async Task A_wake_that_comes_late_finds_the_descriptor_that_it_was_for()
    {
        var loop = new SlowToWake();
        loop.Start();
        await loop.Sleeping.Task.WaitAsync(LoopHost.Patience, Token);
        Task posting = Task.Run(() => loop.Post(() => { }), Token);
        await loop.Waking.Task.WaitAsync(LoopHost.Patience, Token);

        // Whoever wakes stands before the descriptor; the loop has been woken by somebody else, and ends.
        Task stopping = Task.Run(loop.Stop, Token);
        Task first = await Task.WhenAny(loop.Released.Task, Task.Delay(300, Token));
        Assert.NotSame(loop.Released.Task, first);

        loop.GoOn.SetResult();
        await Task.WhenAll(posting, stopping, loop.Released.Task).WaitAsync(LoopHost.Patience, Token);
    }

    [Fact]
    public async Task Who_brings_much_at_once_wakes_the_loop_once_behind_all_of_it()
    {
        var loop = new LightSleeper();
        loop.Start();
        await loop.Sleeping.Task.WaitAsync(LoopHost.Patience, Token);
        var last = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using (HeldWakes.Begin())
        {
            loop.Post(() => { });
            loop.Post(last.SetResult);
            Assert.Equal(0, loop.Wakes);
        }

        await last.Task.WaitAsync(LoopHost.Patience, Token);
        Assert.Equal(1, loop.Wakes);
        loop.Stop();
    }

    [Fact]
    public async Task An_end_that_finds_the_loop_owed_a_wake_comes_with_that()
    {
        var loop = new LightSleeper();
        loop.Start();
        await loop.Sleeping.Task.WaitAsync(LoopHost.Patience, Token);
        Task stopping;
        using (HeldWakes.Begin())
        {
            loop.Post(() => { });
            stopping = Task.Factory.StartNew(loop.Stop, Token, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            SpinWait.SpinUntil(() => loop.IsStopping, LoopHost.Patience);
        }

        await stopping.WaitAsync(LoopHost.Patience, Token);
    }

    [Fact]
    public void A_loop_that_cannot_be_prepared_says_so_and_gives_all_back()
    {
        var loop = new Unprepared();
        SocketException error = Assert.Throws<SocketException>(loop.Start);
        Assert.Equal(SocketError.TooManyOpenSockets, error.SocketErrorCode);
        Assert.True(loop.IsReleased);
        loop.Stop();
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_listener_that_cannot_accept_rests_instead_of_spinning(EventLoopBackend backend)
    {
        var log = new FakeLogger();
        Loop loop = Start(backend, log);
        (int descriptor, _) = Listen();
        var listener = new LoopListener(descriptor, new Acceptor());
        loop.Post(() => loop.Listen(listener));

        // It listens no more, and accept answers EINVAL at once, as often as it is asked.
        Assert.Equal(0, Libc.Shutdown(descriptor, Constants.ShutdownBoth));
        await Eventually.True(() => log.Collector.GetSnapshot().Any(record => record.Id.Name == "AcceptFailed"), () => "Nothing was said.");
        await Eventually.True(() => listener.IsPaused && !listener.IsArmed, () => "It goes on trying.");
        Assert.Single(log.Collector.GetSnapshot(), record => record.Id.Name == "AcceptFailed");
        Assert.Equal((0, 1), (loop.AcceptPauses, loop.AcceptFailures));
        loop.Post(() => loop.Unlisten(listener));
        await listener.Stopped.WaitAsync(LoopHost.Patience, Token);
        loop.Stop();
        _ = Libc.Close(descriptor);
    }

    [Fact]
    public void A_listener_without_descriptors_is_told_of_and_counted_once_until_it_goes_on()
    {
        var log = new FakeLogger();
        var loop = new Destitute(log);
        using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var meters = services.GetRequiredService<IMeterFactory>();
        using var watchdog = new LoopWatchdog([loop], collects: false, NullLogger.Instance, meters);
        using var counted = new MetricCollector<long>(meters, LoopWatchdog.MeterName, LoopWatchdog.AcceptCounterName);
        var listener = new LoopListener(-1, new Indifferent());
        for (int i = 0; i < 2; i++)
        {
            loop.FailToAccept(listener);
            loop.FailToAccept(listener);
            Assert.True(loop.Accept(listener));
        }

        counted.RecordObservableInstruments();
        Assert.Equal(2, counted.GetMeasurementSnapshot().Where(measured => Equals(measured.Tags["duologue.accept.failure"], "exhausted")).Sum(measured => measured.Value));
        Assert.Equal(0, counted.GetMeasurementSnapshot().Where(measured => Equals(measured.Tags["duologue.accept.failure"], "error")).Sum(measured => measured.Value));
        Assert.Equal(["AcceptPaused", "AcceptResumed", "AcceptPaused", "AcceptResumed"], log.Collector.GetSnapshot().Select(record => record.Id.Name));
    }

    [Fact]
    public void For_want_of_memory_no_descriptors_are_let_go_of_and_the_rest_is_told_at_once()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The event loop runs on Linux.");
        using var reserve = new DescriptorReserve();
        int size = reserve.Count;
        var log = new FakeLogger();
        var loop = new Destitute(log) { Reserve = reserve };
        reserve.Join(loop);
        loop.FailToAccept(new LoopListener(-1, new Indifferent()), Errno.OutOfMemory);
        Assert.Equal("AcceptPaused", Assert.Single(log.Collector.GetSnapshot()).Id.Name);
        Assert.Equal(size, reserve.Count);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task What_one_loop_let_go_of_for_want_of_descriptors_went_to_the_next_connections_of_another(EventLoopBackend backend)
    {
        using var reserve = new DescriptorReserve();
        int size = reserve.Count;
        var log = new FakeLogger();
        Loop other = Start(backend, log, reserve);
        (int descriptor, EndPoint endpoint) = Listen();
        var acceptor = new Acceptor();
        var listener = new LoopListener(descriptor, acceptor);
        other.Post(() => other.Listen(listener));
        await Eventually.True(() => listener.IsArmed, () => "It does not accept.");

        new Destitute(NullLogger.Instance) { Reserve = reserve }.FailToAccept(new LoopListener(-1, new Indifferent()));

        await Eventually.True(() => log.Collector.GetSnapshot().Any(record => record.Id.Name == "AcceptPaused"), () => "The other loop goes on accepting.");
        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await peer.ConnectAsync(endpoint, Token);
        await acceptor.Accepted.Task.WaitAsync(LoopHost.Patience, Token);
        Assert.Equal(size, reserve.Count);
        Assert.Equal(["AcceptPaused", "AcceptResumed"], log.Collector.GetSnapshot().Select(record => record.Id.Name));
        other.Stop();
        _ = Libc.Close(descriptor);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_loop_that_a_handler_blocked_kept_all_loops_from_accepting(EventLoopBackend backend)
    {
        using var reserve = new DescriptorReserve();
        var log = new FakeLogger();
        Loop blocked = Start(backend, NullLogger.Instance, reserve);
        Loop other = Start(backend, log, reserve);
        (int descriptor, EndPoint endpoint) = Listen();
        var acceptor = new Acceptor();
        var listener = new LoopListener(descriptor, acceptor);
        other.Post(() => other.Listen(listener));
        await Eventually.True(() => listener.IsArmed, () => "It does not accept.");
        using var unblock = new ManualResetEventSlim();
        blocked.Post(() => unblock.Wait(Token));

        Assert.True(reserve.TryLetGo(Errno.SystemDescriptorsExhausted));
        await Eventually.True(() => log.Collector.GetSnapshot().Any(record => record.Id.Name == "AcceptPaused"), () => "The other loop does not rest.");
        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await peer.ConnectAsync(endpoint, Token);
        await acceptor.Accepted.Task.WaitAsync(LoopHost.Patience, Token);

        // What it has to say now is of a rest that is over.
        unblock.Set();
        Assert.True(reserve.TryFill());
        blocked.Stop();
        Assert.True(reserve.TryFill());
        other.Stop();
        _ = Libc.Close(descriptor);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task An_owner_that_had_room_again_took_what_was_let_go_of_for_want_of_descriptors(EventLoopBackend backend)
    {
        using var reserve = new DescriptorReserve();
        int size = reserve.Count;
        Loop resting = Start(backend, NullLogger.Instance, reserve);
        Loop late = Start(backend, NullLogger.Instance, reserve);
        (int descriptor, _) = Listen();
        (int another, _) = Listen();
        var listener = new LoopListener(descriptor, new Acceptor());
        var added = new LoopListener(another, new Acceptor());
        resting.Post(() => resting.Listen(listener));
        await Eventually.True(() => listener.IsArmed, () => "It does not accept.");

        // The other loop has not come to rest, so that this one waits.
        using var unblock = new ManualResetEventSlim();
        late.Post(() => unblock.Wait(Token));
        Assert.True(reserve.TryLetGo(Errno.DescriptorsExhausted));
        await Eventually.True(() => listener is { IsPaused: true, IsArmed: false }, () => "It does not rest.");
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        resting.Post(() =>
        {
            resting.ResumeAccepting(listener);
            asked.SetResult();
        });
        await asked.Task.WaitAsync(LoopHost.Patience, Token);
        Assert.True(listener is { IsPaused: true, IsArmed: false } || reserve.Count == size);

        unblock.Set();
        await Eventually.True(() => listener.IsArmed && reserve.Count == size, () => "It does not accept again.");
        resting.Post(() => resting.Listen(added));
        await Eventually.True(() => added.IsArmed, () => "What is listened to later is not accepted from.");
        resting.Stop();
        late.Stop();
        _ = Libc.Close(descriptor);
        _ = Libc.Close(another);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task An_acceptor_that_throws_costs_its_connection_and_no_other(EventLoopBackend backend)
    {
        var log = new FakeLogger();
        Loop loop = Start(backend, log);
        (int descriptor, EndPoint endpoint) = Listen();
        var acceptor = new Acceptor { Failures = 1 };
        var listener = new LoopListener(descriptor, acceptor);
        loop.Post(() => loop.Listen(listener));
        using var lost = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await lost.ConnectAsync(endpoint, Token);
        Assert.Equal(0, await lost.ReceiveAsync(new byte[1], Token).AsTask().WaitAsync(LoopHost.Patience, Token));
        using var served = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await served.ConnectAsync(endpoint, Token);
        await acceptor.Accepted.Task.WaitAsync(LoopHost.Patience, Token);
        Assert.Equal("CallbackFailed", Assert.Single(log.Collector.GetSnapshot()).Id.Name);
        loop.Stop();
        _ = Libc.Close(descriptor);
    }

    [Fact]
    public async Task At_its_end_the_kernel_holds_nothing_of_an_io_uring_loop()
    {
        Assert.SkipUnless(LoopHost.Backends.Any(row => row.Data == EventLoopBackend.IoUring), "io_uring cannot run here.");
        var loop = (UringLoop)Start(EventLoopBackend.IoUring, NullLogger.Instance);
        (int descriptor, EndPoint endpoint) = Listen();
        var acceptor = new Acceptor();
        var listener = new LoopListener(descriptor, acceptor);
        loop.Post(() => loop.Listen(listener));
        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await peer.ConnectAsync(endpoint, Token);
        await acceptor.Accepted.Task.WaitAsync(LoopHost.Patience, Token);

        // An accept, a receive and the read of the wake-up wait in the kernel, the last two with memory of ours.
        loop.Stop();
        Assert.Equal(0u, loop.Unanswered);
        Assert.True(listener.Stopped.IsCompleted);
        Assert.Equal(0, loop.SocketCount);
        _ = Libc.Close(descriptor);
    }

    private static Loop Start(EventLoopBackend backend, ILogger logger) => Start(backend, logger, null);

    private static Loop Start(EventLoopBackend backend, ILogger logger, DescriptorReserve? reserve)
    {
        Loop loop = backend == EventLoopBackend.IoUring ? new UringLoop(0, logger) { Reserve = reserve } : new EpollLoop(0, logger) { Reserve = reserve };
        reserve?.Join(loop);
        loop.Start();
        return loop;
    }

    private static (int Descriptor, EndPoint EndPoint) Listen()
    {
        int descriptor = Sockets.Listen(new IPEndPoint(IPAddress.Loopback, 0), 1, nonBlocking: true)[0];
        return (descriptor, SocketAddresses.GetLocal(descriptor)!);
    }

    /// <summary>Takes connections in, and reads them to nowhere; the first few it fails to take.</summary>
    private sealed class Acceptor : IdleHandler, IAcceptor
    {
        public int Failures { get; set; }

        public TaskCompletionSource Accepted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Name => "the test's";

        public bool OnAccepted(Loop loop, LoopListener listener, int descriptor, ReadOnlySpan<byte> remote)
        {
            if (Failures-- > 0)
            {
                throw new InsufficientMemoryException("by the test");
            }

            loop.StartReceiving(loop.Add(descriptor, this));
            Accepted.TrySetResult();
            return true;
        }
    }

    /// <summary>Accepts, and does nothing with what it has.</summary>
    private sealed class Indifferent : IAcceptor
    {
        public string Name => "the test's";

        public bool OnAccepted(Loop loop, LoopListener listener, int descriptor, ReadOnlySpan<byte> remote) => true;
    }

    private sealed class Destitute(ILogger logger) : ImaginaryLoop(logger)
    {
        public void FailToAccept(LoopListener listener) => FailToAccept(listener, Errno.DescriptorsExhausted);

        public void FailToAccept(LoopListener listener, int error) => Exhausted(listener, error);

        public bool Accept(LoopListener listener)
        {
            // As when it goes on.
            listener.IsPaused = false;
            return Accepted(listener, -1, default);
        }
    }

    private sealed class SlowToWake() : ImaginaryLoop(NullLogger.Instance)
    {
        private readonly TaskCompletionSource _event = new();

        public TaskCompletionSource Sleeping { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Waking { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Released { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource GoOn { get; } = new();

        protected override void Wait(int timeout)
        {
            // The first to wake is slow: meanwhile something else, such as a message, lets the loop go on.
            if (timeout != 0)
            {
                Sleeping.TrySetResult();
                _event.Task.Wait(LoopHost.Patience);
            }

            BeginTurn();
        }

        protected override void Wake()
        {
            Waking.TrySetResult();
            _event.TrySetResult();
            GoOn.Task.Wait(LoopHost.Patience);
        }

        protected override void Release() => Released.TrySetResult();
    }

#pragma warning disable CA1001 // A loop disposes of what it has in Release.
    private sealed class LightSleeper() : ImaginaryLoop(NullLogger.Instance)
    {
        private readonly SemaphoreSlim _woken = new(0);
        private int _wakes;

        public int Wakes => Volatile.Read(ref _wakes);

        public TaskCompletionSource Sleeping { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override void Wait(int timeout)
        {
            if (timeout != 0)
            {
                Sleeping.TrySetResult();
                _woken.Wait(LoopHost.Patience);
            }

            BeginTurn();
        }

        protected override void Wake()
        {
            Interlocked.Increment(ref _wakes);
            _woken.Release();
        }

        protected override void Release() => _woken.Dispose();
    }
#pragma warning restore CA1001

    private sealed class Unprepared() : ImaginaryLoop(NullLogger.Instance)
    {
        public bool IsReleased { get; private set; }

        protected override void Prepare() => throw Sockets.ToException(Errno.DescriptorsExhausted);

        protected override void Release() => IsReleased = true;
    }
}
