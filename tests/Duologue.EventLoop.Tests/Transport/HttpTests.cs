using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Duologue.EventLoop.Tests.Transport;

/// <summary>Ordinary HTTP over the loop: what Kestrel does on its own sockets it does here.</summary>
public class HttpTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Requests_are_answered_one_after_the_other_on_one_connection(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapGet("/{n}", (int n) => $"hello {n}"));
        using var client = new HttpClient { BaseAddress = host.Url, Timeout = LoopHost.Patience };
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal($"hello {i}", await client.GetStringAsync($"/{i}", Token));
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Many_requests_at_once_are_all_answered(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapGet("/{n}", async (int n) =>
        {
            await Task.Yield();
            return $"hello {n}";
        }));
        using var client = new HttpClient { BaseAddress = host.Url, Timeout = LoopHost.Patience };
        string[] answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => client.GetStringAsync($"/{i}", Token)));
        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"hello {i}"), answers);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Large_bodies_pass_both_ways_unchanged(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapPost("/", async (HttpContext context) =>
        {
            // All of it first: the client sends to the end before it reads.
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            await context.Response.Body.WriteAsync(body.ToArray(), context.RequestAborted);
        }));
        using var client = new HttpClient { BaseAddress = host.Url, Timeout = LoopHost.Patience };
        byte[] body = new byte[8 * 1024 * 1024];
        new Random(3).NextBytes(body);
        using HttpResponseMessage response = await client.PostAsync("/", new ByteArrayContent(body), Token);
        Assert.Equal(body, await response.Content.ReadAsByteArrayAsync(Token));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_reader_that_does_not_read_holds_the_writer_back(EventLoopBackend backend)
    {
        long written = 0;
        var finished = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapGet("/", async (HttpContext context) =>
        {
            byte[] piece = new byte[64 * 1024];
            for (int i = 0; i < 1024; i++)
            {
                await context.Response.Body.WriteAsync(piece, context.RequestAborted);
                Interlocked.Add(ref written, piece.Length);
            }

            finished.TrySetResult();
        }), builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MinResponseDataRate = null));
        using var client = new HttpClient { BaseAddress = host.Url, Timeout = Timeout.InfiniteTimeSpan };
        using HttpResponseMessage response = await client.GetAsync("/", HttpCompletionOption.ResponseHeadersRead, Token);

        // It stands still when pipe, queue and kernel are full: far below the 64 MiB that the application has.
        long before = -1;
        await Eventually.True(() => before == (before = Interlocked.Read(ref written)) && before > 0 && Pause(), () => "The writer never stood still.");
        Assert.InRange(before, 1, 32 * 1024 * 1024);
        Assert.False(finished.Task.IsCompleted);
        Stream body = await response.Content.ReadAsStreamAsync(Token);
        byte[] buffer = new byte[256 * 1024];
        long read = 0;
        int count;
        while ((count = await body.ReadAsync(buffer, Token)) > 0)
        {
            read += count;
        }

        Assert.Equal(64 * 1024 * 1024, read);
        await finished.Task.WaitAsync(LoopHost.Patience, Token);

        static bool Pause()
        {
            Thread.Sleep(100);
            return true;
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_body_that_nobody_reads_holds_the_sender_back(EventLoopBackend backend)
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapPost("/", async (HttpContext context) =>
        {
            await release.Task;
            long read = 0;
            int count;
            byte[] buffer = new byte[128 * 1024];
            while ((count = await context.Request.Body.ReadAsync(buffer, context.RequestAborted)) > 0)
            {
                read += count;
            }

            return read.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }), builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null));
        using var tcp = new TcpClient(AddressFamily.InterNetwork);
        await tcp.ConnectAsync(IPAddress.Loopback, host.Url.Port, Token);
        NetworkStream stream = tcp.GetStream();
        const int size = 64 * 1024 * 1024;
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"), Token);
        Task writing = stream.WriteAsync(new byte[size], Token).AsTask();
        await Task.WhenAny(writing, Task.Delay(500, Token));
        Assert.False(writing.IsCompleted);
        release.SetResult();
        await writing.WaitAsync(LoopHost.Patience, Token);
        using var reader = new StreamReader(stream);
        Assert.EndsWith(size.ToString(System.Globalization.CultureInfo.InvariantCulture), (await reader.ReadToEndAsync(Token)).TrimEnd('\r', '\n', '0'), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_request_aborted_by_its_client_is_told_so(EventLoopBackend backend)
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapGet("/", async (HttpContext context) =>
        {
            context.RequestAborted.Register(() => aborted.TrySetResult());
            entered.TrySetResult();
            await aborted.Task;
        }));
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, host.Url.Port, Token);
        await socket.SendAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Token);
        await entered.Task.WaitAsync(LoopHost.Patience, Token);
        socket.LingerState = new LingerOption(true, 0);
        socket.Close();
        await aborted.Task.WaitAsync(LoopHost.Patience, Token);
        await Eventually.True(() => host.SocketCount == 0, () => $"{host.SocketCount} sockets are left.");
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Aborting_a_request_resets_its_connection(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapGet("/", (HttpContext context) => context.Abort()));
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, host.Url.Port, Token);
        await socket.SendAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Token);
        SocketException error = await Assert.ThrowsAsync<SocketException>(async () => await socket.ReceiveAsync(new byte[10], Token));
        Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Tls_and_http2_run_over_the_loop(EventLoopBackend backend)
    {
        using X509Certificate2 certificate = LoopHost.CreateCertificate();
        await using LoopHost host = await LoopHost.StartAsync(
            options => (options.Backend, options.Loops) = (backend, 2),
            app => app.MapPost("/", async (HttpContext context) =>
            {
                // All of it first: twenty echoes at once through one window of HTTP/2 could wait for each other.
                using var body = new MemoryStream();
                await context.Request.Body.CopyToAsync(body, context.RequestAborted);
                await context.Response.Body.WriteAsync(body.ToArray(), context.RequestAborted);
            }),
            _ => { },
            listen =>
            {
                listen.Protocols = HttpProtocols.Http1AndHttp2;
                listen.UseHttps(certificate);
            });
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = (_, given, _, _) => given is X509Certificate2 remote && remote.Thumbprint == certificate.Thumbprint;
        using var client = new HttpClient(handler) { BaseAddress = new Uri($"https://127.0.0.1:{host.Url.Port}/"), Timeout = LoopHost.Patience };
        foreach (Version version in new[] { HttpVersion.Version11, HttpVersion.Version20 })
        {
            await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
            {
                byte[] body = new byte[100_000 + i];
                new Random(i).NextBytes(body);
                using var request = new HttpRequestMessage(HttpMethod.Post, "/") { Version = version, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new ByteArrayContent(body) };
                using HttpResponseMessage response = await client.SendAsync(request, Token);
                Assert.Equal(version, response.Version);
                Assert.Equal(body, await response.Content.ReadAsByteArrayAsync(Token));
            }));
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Pipelined_requests_are_answered_in_order(EventLoopBackend backend)
    {
        const int count = 500;
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapGet("/{n}", (int n) => Results.Text(n.ToString("D8", CultureInfo.InvariantCulture))));
        using RawPeer peer = await RawPeer.ConnectAsync(host.Url);
        string requests = string.Concat(Enumerable.Range(0, count).Select(i => $"GET /{i} HTTP/1.1\r\nHost: a\r\n{(i == count - 1 ? "Connection: close\r\n" : "")}\r\n"));
        Task sending = peer.SendAsync(Encoding.ASCII.GetBytes(requests));
        string answers = Encoding.ASCII.GetString(await ReadToEndAsync(peer.Socket));
        await sending;
        int at = -1;
        for (int i = 0; i < count; i++)
        {
            int next = answers.IndexOf("\r\n\r\n" + i.ToString("D8", CultureInfo.InvariantCulture), StringComparison.Ordinal);
            Assert.True(next > at, $"Answer {i} is missing, or out of order.");
            at = next;
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Chunked_bodies_in_pieces_of_any_size_pass_both_ways(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapPost("/", async (HttpContext context) =>
        {
            byte[] buffer = new byte[10_000];
            int count;
            while ((count = await context.Request.Body.ReadAsync(buffer, context.RequestAborted)) > 0)
            {
                await context.Response.Body.WriteAsync(buffer.AsMemory(0, count), context.RequestAborted);
            }
        }));
        using RawPeer peer = await RawPeer.ConnectAsync(host.Url);
        var body = new byte[300_000];
        var random = new Random(4);
        random.NextBytes(body);
        Task sending = Task.Run(async () =>
        {
            await peer.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"u8.ToArray());
            for (int sent = 0; sent < body.Length;)
            {
                int chunk = Math.Min(body.Length - sent, random.Next(1, 20_000));
                await peer.SendAsync(Encoding.ASCII.GetBytes(chunk.ToString("x", CultureInfo.InvariantCulture) + "\r\n"));
                await peer.SendAsync(body.AsMemory(sent, chunk));
                await peer.SendAsync("\r\n"u8.ToArray());
                sent += chunk;
            }

            await peer.SendAsync("0\r\n\r\n"u8.ToArray());
        }, Token);
        byte[] answer = await ReadToEndAsync(peer.Socket);
        await sending;
        int head = answer.AsSpan().IndexOf("\r\n\r\n"u8) + 4;
        Assert.Contains("Transfer-Encoding: chunked", Encoding.ASCII.GetString(answer, 0, head), StringComparison.OrdinalIgnoreCase);
        Assert.Equal(body, Unchunk(answer.AsSpan(head)));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Who_expects_100_is_told_to_go_on_before_the_body_is_sent(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapPost("/", async (HttpContext context) =>
            await context.Response.WriteAsync(await new StreamReader(context.Request.Body).ReadToEndAsync(context.RequestAborted), context.RequestAborted)));
        using RawPeer peer = await RawPeer.ConnectAsync(host.Url);
        await peer.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"u8.ToArray());
        byte[] buffer = new byte[1000];
        int count = await peer.Socket.ReceiveAsync(buffer, Token).AsTask().WaitAsync(LoopHost.Patience, Token);
        Assert.StartsWith("HTTP/1.1 100", Encoding.ASCII.GetString(buffer, 0, count), StringComparison.Ordinal);
        await peer.SendAsync("hello"u8.ToArray());
        string answer = Encoding.ASCII.GetString(await ReadToEndAsync(peer.Socket));
        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.Contains("hello", answer, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task A_server_that_is_disposed_and_was_never_stopped_ends_all_the_same(EventLoopBackend backend)
    {
        LoopHost host = await LoopHost.StartAsync(backend, app => app.MapGet("/", () => "hello"));
        using var client = new HttpClient();
        Assert.Equal("hello", await client.GetStringAsync(host.Url, Token));
        IReadOnlyList<Duologue.EventLoop.Loops.Loop> loops = host.Loops.Loops;
        await host.AbandonAsync().WaitAsync(LoopHost.Patience, Token);
        Assert.All(loops, loop => Assert.Equal(0, loop.SocketCount));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task The_addresses_of_both_ends_are_known(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(backend, app => app.MapGet("/", (HttpContext context) =>
            $"{context.Connection.LocalIpAddress}:{context.Connection.LocalPort} {context.Connection.RemoteIpAddress}:{context.Connection.RemotePort}"));
        using var tcp = new TcpClient(AddressFamily.InterNetwork);
        await tcp.ConnectAsync(IPAddress.Loopback, host.Url.Port, Token);
        await tcp.GetStream().WriteAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"u8.ToArray(), Token);
        using var reader = new StreamReader(tcp.GetStream());
        Assert.Contains($"127.0.0.1:{host.Url.Port} {tcp.Client.LocalEndPoint}", await reader.ReadToEndAsync(Token), StringComparison.Ordinal);
    }

    private static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        var all = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        int count;
        while ((count = await socket.ReceiveAsync(buffer, Token).AsTask().WaitAsync(LoopHost.Patience, Token)) > 0)
        {
            all.Write(buffer, 0, count);
        }

        return all.ToArray();
    }

    private static byte[] Unchunk(ReadOnlySpan<byte> bytes)
    {
        var body = new MemoryStream();
        while (true)
        {
            int line = bytes.IndexOf("\r\n"u8);
            int size = int.Parse(Encoding.ASCII.GetString(bytes[..line]), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (size == 0)
            {
                return body.ToArray();
            }

            body.Write(bytes.Slice(line + 2, size));
            bytes = bytes[(line + 2 + size + 2)..];
        }
    }
}
