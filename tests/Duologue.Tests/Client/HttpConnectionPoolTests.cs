using System.Net;
using System.Net.Security;
using Duologue.Tests.Client.Peers;
using Duologue.Tests.Peer;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using KestrelServer = Duologue.Tests.Client.Peers.KestrelServer;

namespace Duologue.Tests.Client;

public class HttpConnectionPoolTests
{
    private static readonly ConnectOptions Options = new()
    {
        HttpVersion = HttpVersion.Version20,
        HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        UseProxy = false,
        ConnectTimeout = TimeSpan.FromSeconds(60),
        CloseTimeout = TimeSpan.FromSeconds(60),
        RemoteCertificateValidationCallback = Certificates.TrustServer,
    };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static Task<KestrelServer> StartAsync(bool tls, HttpProtocols protocols) =>
        KestrelServer.StartAsync(KestrelServer.EchoAsync, tls ? https => https.ServerCertificate = Certificates.Server : null, protocols);

    private static async Task AssertTalksAsync(Connection connection)
    {
        await connection.SendAsync("hello", Cancelled);
        Assert.Equal("hello", (await connection.ReceiveAsync(Cancelled)).Text);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Conversations_share_one_TCP_connection(bool tls)
    {
        await using KestrelServer server = await StartAsync(tls, HttpProtocols.Http2);
        using var pool = new HttpConnectionPool();
        ConnectOptions options = Options with { Pool = pool };
        await using Connection first = await Connection.ConnectAsync(server.Uri, options, Cancelled);
        Connection[] others = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            Connection.ConnectAsync(server.Uri, options with { Headers = [new("X-Number", $"{i}")] }, Cancelled).AsTask()));
        await Task.WhenAll(others.Select(AssertTalksAsync));
        others[0].Abort();
        await others[0].Closed.Soon();
        await Task.WhenAll(others[1..].Select(AssertTalksAsync));
        CloseInfo[] infos = await Task.WhenAll(others[1..].Select(connection => connection.CloseAsync().AsTask()));
        Assert.All(infos, info => Assert.True(info.WasClean));
        await AssertTalksAsync(first);
        Assert.Equal(1, server.TcpConnections);
    }

    [Fact]
    public async Task Without_a_pool_each_has_its_own()
    {
        await using KestrelServer server = await StartAsync(tls: false, HttpProtocols.Http2);
        await using Connection a = await Connection.ConnectAsync(server.Uri, Options, Cancelled);
        await using Connection b = await Connection.ConnectAsync(server.Uri, Options, Cancelled);
        Assert.Equal(2, server.TcpConnections);
    }

    [Fact]
    public async Task Beyond_the_streams_that_the_server_allows_another_TCP_connection_is_made()
    {
        await using KestrelServer server = await StartAsync(tls: false, HttpProtocols.Http2);
        using var pool = new HttpConnectionPool();
        ConnectOptions options = Options with { Pool = pool };
        await using Connection first = await Connection.ConnectAsync(server.Uri, options, Cancelled);
        Connection[] others = await Task.WhenAll(Enumerable.Range(0, 110).Select(_ => Connection.ConnectAsync(server.Uri, options, Cancelled).AsTask()));
        Assert.Equal(2, server.TcpConnections);
        await Task.WhenAll(others.Select(AssertTalksAsync));
        foreach (Connection connection in others)
        {
            connection.Abort();
        }
    }

    [Fact]
    public async Task Disposing_ends_nothing_that_is_open_and_begins_nothing()
    {
        await using KestrelServer server = await StartAsync(tls: false, HttpProtocols.Http2);
        var pool = new HttpConnectionPool();
        ConnectOptions options = Options with { Pool = pool };
        await using Connection connection = await Connection.ConnectAsync(server.Uri, options, Cancelled);
        pool.Dispose();
        pool.Dispose();
        await AssertTalksAsync(connection);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await Connection.ConnectAsync(server.Uri, options, Cancelled));
        Assert.True((await connection.CloseAsync()).WasClean);
    }

    [Fact]
    public async Task A_connection_made_for_one_is_not_given_to_another_with_other_secrets()
    {
        await using KestrelServer server = await StartAsync(tls: false, HttpProtocols.Http2);
        using var pool = new HttpConnectionPool();
        ConnectOptions options = Options with { Pool = pool };
        await using Connection connection = await Connection.ConnectAsync(server.Uri, options, Cancelled);
        ConnectOptions[] others =
        [
            options with { Cookies = new CookieContainer() },
            options with { Credentials = new NetworkCredential("a", "b") },
            options with { UseProxy = true },
            options with { RemoteCertificateValidationCallback = null },
            options with { RemoteCertificateValidationCallback = null, TlsOptions = new SslClientAuthenticationOptions() },
            options with { MaxResponseHeaderSize = 1024 },
        ];
        foreach (ConnectOptions other in others)
        {
            ArgumentException e = await Assert.ThrowsAsync<ArgumentException>(async () => await Connection.ConnectAsync(server.Uri, other, Cancelled));
            Assert.StartsWith(e.ParamName!, e.Message, StringComparison.Ordinal);
            Assert.Contains("Pool", e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_call_that_is_given_up_takes_nothing_from_the_others()
    {
        await using KestrelServer server = await StartAsync(tls: false, HttpProtocols.Http2);
        using var pool = new HttpConnectionPool();
        using var stop = new CancellationTokenSource();
        var connecting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ConnectOptions options = Options with
        {
            Pool = pool,
            Connect = async (endPoint, cancellationToken) =>
            {
                connecting.TrySetResult();
                await go.Task.WaitAsync(cancellationToken);
                return await Duologue.Client.ConnectionRacer.SystemConnect(endPoint, cancellationToken);
            },
        };
        Task<Connection> first = Connection.ConnectAsync(server.Uri, options, stop.Token).AsTask();
        await connecting.Task.Soon();
        Task<Connection> second = Connection.ConnectAsync(server.Uri, options, Cancelled).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        go.SetResult();
        await using Connection connection = await second.Soon();
        await AssertTalksAsync(connection);
    }

    [Fact]
    public async Task A_server_with_HTTP1_only_is_connected_to_over_that_again_and_again()
    {
        await using KestrelServer server = await StartAsync(tls: true, HttpProtocols.Http1);
        using var pool = new HttpConnectionPool();
        ConnectOptions options = Options with { Pool = pool, HttpVersionPolicy = HttpVersionPolicy.RequestVersionOrLower };
        for (int i = 0; i < 3; i++)
        {
            await using Connection connection = await Connection.ConnectAsync(server.Uri, options, Cancelled);
            await AssertTalksAsync(connection);
        }
    }

    [Fact]
    public async Task A_server_that_never_answers_is_named_also_on_a_connection_that_was_there_before()
    {
        var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int count = 0;
        await using KestrelServer server = await KestrelServer.StartAsync(
            async context =>
            {
                if (Interlocked.Increment(ref count) > 1)
                {
                    await answered.Task.WaitAsync(context.RequestAborted);
                }

                await KestrelServer.EchoAsync(context);
            },
            null,
            HttpProtocols.Http2);
        using var pool = new HttpConnectionPool();
        var traces = new List<HandshakeTrace>();
        ConnectOptions options = Options with { Pool = pool, OnHandshake = traces.Add };
        await using Connection connection = await Connection.ConnectAsync(server.Uri, options, Cancelled);
        HandshakeException e = await Assert.ThrowsAsync<HandshakeException>(async () =>
            await Connection.ConnectAsync(server.Uri, options with { ConnectTimeout = TimeSpan.FromSeconds(2) }, Cancelled));
        Assert.Contains($"in vain for the answer of 127.0.0.1:{server.Uri.Port}", e.Message, StringComparison.Ordinal);
        Assert.Equal([true, false], traces.Select(trace => trace.Response.Length > 0));
        await AssertTalksAsync(connection);
        Assert.Equal(1, server.TcpConnections);
    }
}
