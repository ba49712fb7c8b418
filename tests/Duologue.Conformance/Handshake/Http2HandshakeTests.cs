using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Duologue.Conformance.Carriers;
using Duologue.Conformance.Judge;
using Duologue.Conformance.Subjects;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Duologue.Conformance.Handshake;

/// <summary>Family 14: the opening handshake over HTTP/2, both roles: RFC 8441.</summary>
public abstract class Http2HandshakeTests
{
    private readonly Carrier _carrier;

    internal Http2HandshakeTests(Carrier carrier) => _carrier = carrier;

    private string Scheme => _carrier.IsTls() ? "https" : "http";

    [Fact]
    public async Task Every_extended_connect_is_answered_as_the_RFC_demands()
    {
        await using var arena = new ServerArena(_carrier, handlerClass: false);
        await arena.StartAsync();
        await JudgeAllAsync(ToServer(), "server", async line =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Connect, $"{Scheme}://localhost:{arena.Port}/chat") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            request.Headers.Protocol = "websocket";
            request.Headers.TryAddWithoutValidation("Sec-WebSocket-Version", "13");
            line.Spoil(request);
            using HttpResponseMessage answer = await arena.SendAsync(request, TestContext.Current.CancellationToken).WaitAsync(Player.Patience);
            string? Header(string name) => answer.Headers.TryGetValues(name, out IEnumerable<string>? values) ? string.Join(", ", values) : null;
            return !line.Statuses.Contains((int)answer.StatusCode) ? $"answered {(int)answer.StatusCode}, expected {string.Join(" or ", line.Statuses)}"
                : line.Header is { } header && Header(header.Name) != header.Value ? $"answered {header.Name}: {Header(header.Name) ?? "(none)"}, expected {header.Value ?? "none"}"
                : Header("Sec-WebSocket-Accept") is not null || Header("Upgrade") is not null || Header("Connection") is not null ? "answered with headers that belong to HTTP/1.1"
                : null;
        });
    }

    [Fact]
    public async Task Every_answer_to_an_extended_connect_is_judged_as_the_RFC_demands()
    {
        var ended = new ConcurrentDictionary<string, TaskCompletionSource>();
        ToClientLine[] lines = [.. ToClient()];
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            if (_carrier.IsTls())
            {
                listen.UseHttps(TlsIdentity.Certificate);
            }
        }));
        await using WebApplication app = builder.Build();
        app.Run(context => AnswerAsync(context, lines.First(line => line.Path == context.Request.Path), ended));
        await app.StartAsync(TestContext.Current.CancellationToken);
        int port = new Uri(app.Urls.First()).Port;
        await JudgeAllAsync(lines, "client", async line =>
        {
            var stream = ended[line.Path] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var options = new ConnectOptions
            {
                UseProxy = false,
                ConnectTimeout = Player.Patience,
                HttpVersion = HttpVersion.Version20,
                HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact,
                Subprotocols = line.Offer,
                RemoteCertificateValidationCallback = _carrier.IsTls() ? TlsIdentity.Trust : null,
            };
            try
            {
                await using Connection connection = await Connection.ConnectAsync(new Uri($"{(_carrier.IsTls() ? "wss" : "ws")}://127.0.0.1:{port}{line.Path}"), options, TestContext.Current.CancellationToken);
                return !line.Opens ? "the client took it" : connection.Subprotocol != line.Subprotocol ? $"the client reports the subprotocol {connection.Subprotocol ?? "(none)"}" : null;
            }
            catch (HandshakeException e) when (!line.Opens)
            {
                // RFC 6455 §7.1.7: who refuses ends the stream.
                await stream.Task.WaitAsync(Player.Patience);
                return line.Status == 200 || (int?)e.StatusCode == line.Status ? null : $"the exception has the status {(int?)e.StatusCode}";
            }
        });
    }

    private static async Task AnswerAsync(HttpContext context, ToClientLine line, ConcurrentDictionary<string, TaskCompletionSource> ended)
    {
        IHttpExtendedConnectFeature connect = context.Features.GetRequiredFeature<IHttpExtendedConnectFeature>();
        if (!connect.IsExtendedConnect || connect.Protocol != "websocket" || context.Request.Headers.SecWebSocketVersion != "13" || context.Request.Headers.SecWebSocketKey.Count > 0)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        context.Response.StatusCode = line.Status;
        foreach ((string name, string value) in line.Headers)
        {
            context.Response.Headers.Append(name, value);
        }

        try
        {
            if (line.Status == 200)
            {
                Stream stream = await connect.AcceptAsync();
                byte[] buffer = new byte[256];
                while (await stream.ReadAsync(buffer) > 0)
                {
                }
            }
        }
        catch (IOException)
        {
            // RST_STREAM is an end, too.
        }
        finally
        {
            ended[line.Path].TrySetResult();
        }
    }

    private async Task JudgeAllAsync<TLine>(IEnumerable<TLine> lines, string subject, Func<TLine, Task<string?>> judge)
        where TLine : Line
    {
        var complaints = new List<string>();
        int group = subject == "server" ? 1 : 2, number = 0;
        foreach (TLine line in lines)
        {
            string id = string.Create(CultureInfo.InvariantCulture, $"14.{group}.{++number}");
            if (!id.StartsWith(Settings.Cases, StringComparison.Ordinal))
            {
                continue;
            }

            string? complaint;
            try
            {
                complaint = await judge(line);
            }
            catch (Exception e) when (e is HttpRequestException or HandshakeException or TimeoutException)
            {
                complaint = e.Message;
            }

            Report.Add(new Outcome(id, line.Section, line.Title, _carrier, subject, complaint, null));
            if (complaint is not null)
            {
                complaints.Add($"{id} ({line.Section}) {line.Title}: {complaint}");
            }
        }

        Assert.True(complaints.Count == 0, string.Join('\n', complaints));
    }

    private static IEnumerable<ToServerLine> ToServer()
    {
        yield return new("RFC 8441 §5", "the smallest complete request", _ => { }, null, 200);
        yield return new("RFC 8441 §5", "a Sec-WebSocket-Key, which means nothing here", request => request.Headers.TryAddWithoutValidation("Sec-WebSocket-Key", Request.Key), null, 200);
        yield return new("RFC 6455 §4.2.2", "both subprotocols: the server's order decides", request => request.Headers.TryAddWithoutValidation("Sec-WebSocket-Protocol", "v1, v2"), ("Sec-WebSocket-Protocol", "v2"), 200);
        yield return new("RFC 6455 §4.2.2", "an unknown subprotocol", request => request.Headers.TryAddWithoutValidation("Sec-WebSocket-Protocol", "v3"), ("Sec-WebSocket-Protocol", null), 200);
        yield return new("RFC 6455 §9.1", "an unknown extension", request => request.Headers.TryAddWithoutValidation("Sec-WebSocket-Extensions", "x-unknown; a=1"), ("Sec-WebSocket-Extensions", null), 200);
        yield return new("RFC 6455 §4.4", "no version", request => request.Headers.Remove("Sec-WebSocket-Version"), ("Sec-WebSocket-Version", "13"), 400, 426);
        foreach (string version in new[] { "8", "12", "14", "013", "abc" })
        {
            yield return new("RFC 6455 §4.4", $"version {version}", request => Set(request, "Sec-WebSocket-Version", version), ("Sec-WebSocket-Version", "13"), 400, 426);
        }

        foreach (string protocol in new[] { "connect-udp", "websockets", "x" })
        {
            yield return new("RFC 8441 §4", $":protocol {protocol}", request => request.Headers.Protocol = protocol, null, 400, 501);
        }

        foreach (HttpMethod method in new[] { HttpMethod.Get, HttpMethod.Post, HttpMethod.Put })
        {
            yield return new("RFC 8441 §5", $"a plain {method}", request => Plain(request, method), null, 400, 405, 426);
        }

        foreach (string value in new[] { "x;", "x; a=", "x y" })
        {
            yield return new("RFC 6455 §9.1", $"Sec-WebSocket-Extensions: {value}", request => request.Headers.TryAddWithoutValidation("Sec-WebSocket-Extensions", value), null, 400);
        }

        foreach (string value in new[] { "v1, v1", "v 1" })
        {
            yield return new("RFC 6455 §4.1", $"Sec-WebSocket-Protocol: {value}", request => request.Headers.TryAddWithoutValidation("Sec-WebSocket-Protocol", value), null, 400);
        }

        yield return new("RFC 6455 §10.2", "a foreign origin", request => request.Headers.TryAddWithoutValidation("Origin", "https://evil.example"), null, 403);
        yield return new("RFC 9110 §15.5.5", "a path where nothing is", request => request.RequestUri = new Uri(request.RequestUri!, "/nothing"), null, 404);
    }

    private static IEnumerable<ToClientLine> ToClient()
    {
        int number = 0;
        ToClientLine Line(string section, string title, bool opens, params (string Name, string Value)[] headers) => new(section, title, $"/{++number}", 200, opens, headers);

        yield return Line("RFC 8441 §5", "200", true);
        yield return Line("RFC 6455 §4.1", "a subprotocol of those offered", true, ("Sec-WebSocket-Protocol", "v1")) with { Offer = ["v2", "v1"], Subprotocol = "v1" };
        yield return Line("RFC 6455 §4.1", "a subprotocol where none was offered", false, ("Sec-WebSocket-Protocol", "v1"));
        yield return Line("RFC 6455 §4.1", "a subprotocol that was not offered", false, ("Sec-WebSocket-Protocol", "v3")) with { Offer = ["v1"] };
        yield return Line("RFC 6455 §4.1", "two subprotocols", false, ("Sec-WebSocket-Protocol", "v1"), ("Sec-WebSocket-Protocol", "v2")) with { Offer = ["v2", "v1"] };
        yield return Line("RFC 6455 §4.1", "an extension where none was offered", false, ("Sec-WebSocket-Extensions", "permessage-deflate"));
        yield return Line("RFC 6455 §9.1", "an extension that breaks the grammar", false, ("Sec-WebSocket-Extensions", "x;"));
        foreach (int status in new[] { 201, 204, 400, 401, 403, 404, 405, 421, 426, 429, 500, 501, 503 })
        {
            yield return Line("RFC 8441 §5", $"status {status}", false) with { Status = status };
        }
    }

    private static void Plain(HttpRequestMessage request, HttpMethod method)
    {
        request.Method = method;
        request.Headers.Protocol = null;
    }

    private static void Set(HttpRequestMessage request, string name, string value)
    {
        request.Headers.Remove(name);
        request.Headers.TryAddWithoutValidation(name, value);
    }

    private abstract record Line(string Section, string Title);

    private sealed record ToServerLine(string Section, string Title, Action<HttpRequestMessage> Spoil, (string Name, string? Value)? Header, params int[] Statuses) : Line(Section, Title);

    private sealed record ToClientLine(string Section, string Title, string Path, int Status, bool Opens, (string Name, string Value)[] Headers) : Line(Section, Title)
    {
        public IReadOnlyList<string> Offer { get; init; } = [];

        public string? Subprotocol { get; init; }
    }
}

public sealed class HandshakeOverHttp2Tests() : Http2HandshakeTests(Carrier.Http2);

public sealed class HandshakeOverHttp2TlsTests() : Http2HandshakeTests(Carrier.Http2Tls);
