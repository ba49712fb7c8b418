using Duologue.Cli.Tests.Support;

namespace Duologue.Cli.Tests.Serve;

/// <summary>Where the system forbids io_uring, as most containers do, the server says so and runs all the same.</summary>
public sealed class SandboxTests
{
    private const int SetUp = 425;
    private const int Enter = 426;
    private const int Register = 427;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("auto")]
    [InlineData("io_uring")]
    public async Task Without_io_uring_epoll_runs_and_one_line_says_why(string eventLoop)
    {
        await using ServeTool server = await ServeTool.StartSandboxedAsync([SetUp, Enter, Register], "--event-loop", eventLoop, "--log-level", "information");
        await AssertRunsOnEpollAsync(server, "io_uring is forbidden (EPERM), by the sandbox (seccomp) or by kernel.io_uring_disabled.");
    }

    [Fact]
    public async Task A_sandbox_that_allows_only_the_set_up_is_seen_through()
    {
        await using ServeTool server = await ServeTool.StartSandboxedAsync([Enter], "--event-loop", "auto", "--log-level", "information");
        await AssertRunsOnEpollAsync(server, "io_uring cannot run here: ");
    }

    private static async Task AssertRunsOnEpollAsync(ServeTool server, string reason)
    {
        await using TestClient peer = await TestClient.ConnectAsync(server.At("/echo"));
        await peer.SendAsync("hello");
        Assert.Equal("hello", (await peer.ReceiveAsync()).Text);
        server.Tool.Terminate();
        await peer.ClosedAsync().WaitAsync(Tool.Patience, Token);
        (int exitCode, _, string error) = await server.Tool.WaitAsync();
        Assert.Equal(0, exitCode);
        string line = Assert.Single(error.Split('\n'), line => line.Contains("event loop", StringComparison.Ordinal));
        Assert.Contains("runs on epoll", line, StringComparison.Ordinal);
        Assert.Contains(reason, line, StringComparison.Ordinal);
    }
}
