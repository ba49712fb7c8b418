using System.Net.Sockets;
using System.Text;
using Duologue.AspNetCore;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.EventLoop.Tests.Detached;

/// <summary>A client that ends its direction right behind what it sent still gets what is due to it: a FIN on the loop ends one way only.</summary>
public class HalfCloseTests
{
    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_FIN_right_behind_the_Close_does_not_cost_the_late_answer(EventLoopBackend backend)
    {
        var echo = new Gate();
        await using LoopHost host = await StartAsync(backend, echo);
        using RawPeer peer = await RawPeer.OpenAsync(host.Url, "/gated");
        await SayAndEndAsync(peer, RawPeer.MaskedFrame(0x81, "late"u8), RawPeer.MaskedFrame(0x88, [0x0F, 0xA0]));
        await echo.Begun.WaitAsync(LoopHost.Patience, TestContext.Current.CancellationToken);

        echo.Finish();

        Assert.Equal("late", Encoding.UTF8.GetString(await peer.ReadMessageAsync(0x81)));
        Assert.Equal([0x0F, 0xA0], await peer.ReadMessageAsync(0x88));
        await AssertEndsAsync(host, peer);
        CloseInfo info = await echo.Closed.WaitAsync(LoopHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal((4000, true, CloseCause.PeerClosed), (info.Code, info.WasClean, info.Cause));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_FIN_right_behind_a_violation_does_not_cost_the_late_answer_nor_the_Close(EventLoopBackend backend)
    {
        var echo = new Gate();
        await using LoopHost host = await StartAsync(backend, echo);
        using RawPeer peer = await RawPeer.OpenAsync(host.Url, "/gated");
        await SayAndEndAsync(peer, RawPeer.MaskedFrame(0x81, "late"u8), RawPeer.MaskedFrame(0x85, []));
        await echo.Begun.WaitAsync(LoopHost.Patience, TestContext.Current.CancellationToken);

        echo.Finish();

        Assert.Equal("late", Encoding.UTF8.GetString(await peer.ReadMessageAsync(0x81)));
        Assert.Equal([0x03, 0xEA], (await peer.ReadMessageAsync(0x88))[..2]);
        await AssertEndsAsync(host, peer);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_FIN_that_comes_before_the_request_has_let_go_of_the_socket_does_not_cost_the_answer(EventLoopBackend backend)
    {
        var echo = new Gate();
        var pause = new Pause();
        await using LoopHost host = await LoopHost.StartAsync(
            backend,
            app =>
            {
                app.Use((context, next) =>
                {
                    context.Features.Set<IHttpRequestTimeoutFeature>(pause);
                    return next(context);
                });
                app.MapDuologue<GatedEcho>("/gated");
            },
            builder => builder.Services.AddSingleton(echo));
        using RawPeer peer = await RawPeer.OpenAsync(host.Url, "/gated");
        await SayAndEndAsync(peer, RawPeer.MaskedFrame(0x81, "late"u8), RawPeer.MaskedFrame(0x88, [0x0F, 0xA0]));

        // Kestrel would end the connection by now: a moment is all that it takes.
        for (int look = 0; look < 30 && host.SocketCount > 0; look++)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        pause.GoOn.Set();
        echo.Finish();
        await echo.Begun.WaitAsync(LoopHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal("late", Encoding.UTF8.GetString(await peer.ReadMessageAsync(0x81)));
        Assert.Equal([0x0F, 0xA0], await peer.ReadMessageAsync(0x88));
        await AssertEndsAsync(host, peer);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_FIN_right_behind_large_messages_does_not_cost_their_answers(EventLoopBackend backend)
    {
        var echo = new Gate();
        await using LoopHost host = await StartAsync(backend, echo);
        using RawPeer peer = await RawPeer.OpenAsync(host.Url, "/gated");
        byte[] large = new byte[700_000];
        new Random(3).NextBytes(large);
        Task saying = SayAndEndAsync(peer, RawPeer.MaskedFrame(0x82, large), RawPeer.MaskedFrame(0x82, large), RawPeer.MaskedFrame(0x82, "end"u8));
        await echo.Begun.WaitAsync(LoopHost.Patience, TestContext.Current.CancellationToken);

        echo.Finish();

        Assert.Equal(large, await peer.ReadMessageAsync(0x82));
        Assert.Equal(large, await peer.ReadMessageAsync(0x82));
        Assert.Equal("end"u8.ToArray(), await peer.ReadMessageAsync(0x82));
        await saying;
        await AssertEndsAsync(host, peer);
        CloseInfo info = await echo.Closed.WaitAsync(LoopHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal((1006, false, CloseCause.ConnectionLost), (info.Code, info.WasClean, info.Cause));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_half_closed_client_that_goes_away_while_the_answer_is_late_leaves_nothing_behind(EventLoopBackend backend)
    {
        var echo = new Gate();
        await using LoopHost host = await StartAsync(backend, echo);
        using RawPeer peer = await RawPeer.OpenAsync(host.Url, "/gated");
        await SayAndEndAsync(peer, RawPeer.MaskedFrame(0x82, new byte[200_000]));
        await echo.Begun.WaitAsync(LoopHost.Patience, TestContext.Current.CancellationToken);
        peer.Close(reset: true);

        echo.Finish();

        CloseInfo info = await echo.Closed.WaitAsync(LoopHost.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(CloseCause.ConnectionLost, info.Cause);
        await AssertNothingIsLeftAsync(host);
    }

    private static Task<LoopHost> StartAsync(EventLoopBackend backend, Gate echo) => LoopHost.StartAsync(
        backend,
        app => app.MapDuologue<GatedEcho>("/gated").WithOptions(options => options.CloseTimeout = TimeSpan.FromMinutes(2)),
        builder => builder.Services.AddSingleton(echo));

    private static async Task SayAndEndAsync(RawPeer peer, params byte[][] frames)
    {
        await peer.SendAsync(frames.SelectMany(frame => frame).ToArray());
        peer.Socket.Shutdown(SocketShutdown.Send);
    }

    private static async Task AssertEndsAsync(LoopHost host, RawPeer peer)
    {
        // A FIN, not a reset: that would be a SocketException.
        IOException end = await Assert.ThrowsAsync<IOException>(peer.ReadFrameAsync);
        Assert.Equal("The server ended the connection.", end.Message);
        await AssertNothingIsLeftAsync(host);
    }

    private static async Task AssertNothingIsLeftAsync(LoopHost host)
    {
        Connections connections = host.Services.GetRequiredService<Connections>();
        await Eventually.True(
            () => host.SocketCount == 0 && connections.Count == 0 && host.RentedBlocks == 0,
            () => $"{host.SocketCount} sockets, {connections.Count} connections and {host.RentedBlocks} blocks are left.");
    }

    private sealed class Gate
    {
        private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource HasBegun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource<CloseInfo> HasClosed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Completes when the handler has the first message.</summary>
        public Task Begun => HasBegun.Task;

        public Task<CloseInfo> Closed => HasClosed.Task;

        public Task Opened => _open.Task;

        public void Finish() => _open.SetResult();
    }

    /// <summary>Holds a request between its 101 and its end: this feature is asked for there.</summary>
    private sealed class Pause : IHttpRequestTimeoutFeature
    {
        public ManualResetEventSlim GoOn { get; } = new();

        public CancellationToken RequestTimeoutToken => default;

        public void DisableTimeout() => Assert.True(GoOn.Wait(LoopHost.Patience));
    }

    /// <summary>Echoes, but only when it is let.</summary>
    private sealed class GatedEcho(Gate gate) : MessageHandler
    {
        public override async ValueTask OnMessageAsync(Connection connection, Message message)
        {
            gate.HasBegun.TrySetResult();
            await gate.Opened;
            await connection.SendAsync(message.Data, message.Type, CancellationToken.None);
        }

        public override ValueTask OnCloseAsync(Connection connection, CloseInfo info)
        {
            gate.HasClosed.TrySetResult(info);
            return ValueTask.CompletedTask;
        }
    }
}
